/** Line icons on a 16 px grid, drawn with the colour of the text around them. Decoration only: controls carry their names as text. */
import type { JSX } from "preact";

const paths = {
  plus: "M8 3v10M3 8h10",
  close: "M4 4l8 8M12 4l-8 8",
  play: "M5 3.5v9l7-4.5z",
  clock: "M8 4.5V8l2.5 1.5M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0z",
  left: "M10 3.5L5.5 8l4.5 4.5",
  right: "M6 3.5L10.5 8 6 12.5",
  down: "M4 6.5L8 10.5l4-4",
  zoomOut: "M11.5 7A4.5 4.5 0 1 1 2.5 7a4.5 4.5 0 0 1 9 0zM10.3 10.3L14 14M5 7h4",
  back: "M6 3.5L2.5 7 6 10.5M2.5 7H10a3.5 3.5 0 0 1 0 7H7",
  refresh: "M13.5 8a5.5 5.5 0 1 1-1.6-3.9M13.5 2v3h-3",
  sun: "M10.7 8a2.7 2.7 0 1 1-5.4 0 2.7 2.7 0 0 1 5.4 0zM8 1.5v1.5M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M3.4 12.6l1-1M11.6 4.4l1-1",
  moon: "M13.5 9.5A5.8 5.8 0 0 1 6.5 2.5a5.8 5.8 0 1 0 7 7z",
  system: "M2 3h12v8H2zM6 14h4M8 11v3",
  keyboard: "M1.5 4h13v8h-13zM4 6.7h.01M6.7 6.7h.01M9.3 6.7h.01M12 6.7h.01M5 9.5h6",
  warning: "M8 2.2L14.4 13.3H1.6zM8 6.5v3M8 11.3v.01",
  search: "M11.5 7A4.5 4.5 0 1 1 2.5 7a4.5 4.5 0 0 1 9 0zM10.3 10.3L14 14",
  download: "M8 2.5v7.5M5 7l3 3 3-3M2.5 13.5h11",
  copy: "M5.5 5.5h8v8h-8zM3 10.5h-.5v-8h8V3",
  external: "M9 2.5h4.5V7M13.5 2.5L8 8M11.5 9.5v4h-9v-9h4",
  up: "M8 12.5v-9M4.5 7L8 3.5 11.5 7",
} as const;

/** Name of an icon. */
export type IconName = keyof typeof paths;

/** An icon of 16 px. */
export function Icon({ name }: { readonly name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}

/** The mark of the product: a tide that rises and leaves its line. */
export function Logo(): JSX.Element {
  return (
    <svg class="logo" viewBox="0 0 24 24" width="22" height="22" aria-hidden="true" focusable="false">
      <path class="logo-mark" d="M3 6.5h18" />
      <path class="logo-tide" d="M3 13c2.2-2.8 4.4-2.8 6.6 0s4.4 2.8 6.6 0c1.6-2 3.2-2.6 4.8-1.7" />
      <path class="logo-deep" d="M3 18.5c2.2-2.8 4.4-2.8 6.6 0s4.4 2.8 6.6 0c1.6-2 3.2-2.6 4.8-1.7" />
    </svg>
  );
}
