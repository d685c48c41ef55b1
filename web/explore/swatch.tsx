import type { JSX } from "preact";
import { palettes } from "../palette.ts";
import { theme } from "../preferences.ts";

/** The colour of a series. */
export function Swatch({ color }: { readonly color: number }): JSX.Element {
  return <span class="swatch" style={{ background: palettes[theme.value][color] }} />;
}
