/** `m smoothed`: the value on the line between the samples around each point; the last one where none follows. */
import { InputError } from "../base/errors.ts";
import type { Labels } from "../model/labels.ts";
import { interpolate } from "./extended_rate.ts";
import type { LookTimes } from "./instant_selector.ts";
import type { SampleColumns } from "./samples.ts";
import { type PromSeries, SeriesBuilder } from "./vector.ts";

/** Samples count up to `lookbackMs` before and after a point. */
export function smoothedSeries(labels: Labels, { timestampsMs, values, histograms }: SampleColumns, times: LookTimes, lookbackMs: number): PromSeries | undefined {
  if (histograms.length > 0) throw new InputError("bad_arguments", "smoothed and anchored modifiers do not work with native histograms");
  const target = new SeriesBuilder(labels, times.points);
  let next = 0;
  for (let point = 0; point < times.points; point++) {
    const timeMs = times.startMs + point * times.stepMs;
    while (next < timestampsMs.length && timestampsMs[next] < timeMs) next++;
    const hasNext = next < timestampsMs.length && timestampsMs[next] <= timeMs + lookbackMs;
    const hasPrevious = next > 0 && timestampsMs[next - 1] > timeMs - lookbackMs;
    if (hasNext && timestampsMs[next] === timeMs) target.setFloat(point, values[next]);
    else if (hasNext && hasPrevious) {
      target.setFloat(point, interpolate(timestampsMs[next - 1], values[next - 1], timestampsMs[next], values[next], timeMs, false));
    } else if (hasPrevious) target.setFloat(point, values[next - 1]);
  }
  return target.isEmpty ? undefined : target;
}
