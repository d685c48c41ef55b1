/**
 * Colours of series. Ten hues per theme, found by a search that kept them apart for normal sight and for red and green blindness, each at
 * least 3:1 against its background. The same label set gets the same place in the palette on every screen and in both themes; only when
 * a small answer would use one colour too often does a series move to the next free one.
 */
import { hashText } from "./series_name.ts";

/** The two kinds of background. */
export type Theme = "light" | "dark";

/** Colours by theme; the same index means the same series. */
export const palettes: Readonly<Record<Theme, readonly string[]>> = {
  light: ["#3c91fd", "#d87416", "#2ca470", "#7b50c9", "#b92844", "#16707b", "#d360bb", "#682408", "#0c33a0", "#6a146b"],
  dark: ["#2f9eff", "#ff7e2d", "#1cbe7f", "#8058d0", "#d34a31", "#2f8f85", "#d663bf", "#fed917", "#d2c4fd", "#4bfeb1"],
};

const colorCount = palettes.light.length;

/** Answers up to this size use all colours about equally; in larger ones lines cannot be told apart by colour anyway. */
const maxBalanced = 100;

/** The palette index of every key. Does not depend on the order of the keys. */
export function assignColors(keys: readonly string[]): number[] {
  const hashes = keys.map(hashText);
  const colors = hashes.map((hash) => hash % colorCount);
  if (keys.length > maxBalanced) return colors;
  const capacity = Math.ceil(keys.length / colorCount);
  const used = Array.from({ length: colorCount }, () => 0);
  const order = hashes.map((_, i) => i).sort((left, right) => hashes[left] - hashes[right]);
  for (const i of order) {
    while (used[colors[i]] >= capacity) colors[i] = (colors[i] + 1) % colorCount;
    used[colors[i]]++;
  }
  return colors;
}
