/** Door to the parser of the Prometheus and OpenMetrics text formats. */
import type { ParseArea } from "./label_run.ts";

/** Added to the size in a note that is an exemplar; the note behind it holds its row and sample. */
export const exemplarNoteFlag = 2 ** 31;

/** Fills the area's columns with the next samples of its body; answers parseStatus.done or parseStatus.full. */
export function prometheusTextParse(area: ParseArea): number {
  return area.kernel.exports["prometheusTextParse"](area.context);
}
