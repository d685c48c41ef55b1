/** Door to the remote write 1.0 parser. */
import type { ParseArea } from "./label_run.ts";

/** Added to the size in a note that is a whole TimeSeries message with native histograms or exemplars; the others are MetricMetadata. */
export const seriesNoteFlag = 2 ** 31;

/** Fills the area's columns with the next samples of its body; answers one of parseStatus. */
export function remoteWriteParse(area: ParseArea): number {
  return area.kernel.exports["remoteWriteParse"](area.context);
}
