/** Door to the parser and writer of JSON lines. */
import type { Kernel } from "./kernel.ts";
import type { ParseArea } from "./label_run.ts";

/** Fills the area's columns with the next samples of its body; answers parseStatus.done or parseStatus.full. */
export function jsonLinesParse(area: ParseArea): number {
  return area.kernel.exports["jsonLinesParse"](area.context);
}

/** Upper bound of the bytes that one value takes in the text of jsonLinesWriteValues, comma included. */
export const jsonValueBytesMax = 32;

/** Writes `count` doubles at `values` as JSON numbers with commas between them; NaN is null, infinities are strings. Returns the end. */
export function jsonLinesWriteValues(kernel: Kernel, values: number, count: number, target: number): number {
  return kernel.exports["jsonLinesWriteValues"](values, count, target) >>> 0;
}
