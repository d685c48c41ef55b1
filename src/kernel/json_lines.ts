/** Door to the parser of JSON lines. */
import type { ParseArea } from "./label_run.ts";

/** Fills the area's columns with the next samples of its body; answers parseStatus.done or parseStatus.full. */
export function jsonLinesParse(area: ParseArea): number {
  return area.kernel.exports["jsonLinesParse"](area.context);
}
