/** Raw samples of one series as columns, and what has to be done to them before they are looked at. */
import { type FloatHistogram, staleHistogram } from "../model/native_histogram.ts";
import { isStaleMarker } from "../model/row_batch.ts";

/** Floats and histograms apart, each in ascending time without repetitions. Stale markers are included. */
export interface SampleColumns {
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
  readonly histogramTimesMs: Float64Array;
  readonly histograms: readonly FloatHistogram[];
}

const noTimes = new Float64Array(0);
const noHistograms: readonly FloatHistogram[] = [];

/** Samples of floats only. Of several samples at the same time the last one counts. */
export function floatSamples(timestampsMs: Float64Array, values: Float64Array): SampleColumns {
  const columns = hasRepetitions(timestampsMs) ? lastOfEach(timestampsMs, values) : { timestampsMs, values };
  return { ...columns, histogramTimesMs: noTimes, histograms: noHistograms };
}

/** The same samples without stale markers, as functions over ranges see them. */
export function withoutStaleMarkers(samples: SampleColumns): SampleColumns {
  const { timestampsMs, values } = samples;
  const hasStale = values.some((value, i) => Number.isNaN(value) && isStaleMarker(values, i));
  const floats = hasStale ? keepSamples(timestampsMs, values, (i) => !isStaleMarker(values, i)) : { timestampsMs, values };
  if (!samples.histograms.includes(staleHistogram)) return hasStale ? { ...samples, ...floats } : samples;
  return {
    ...floats,
    histogramTimesMs: samples.histogramTimesMs.filter((_, i) => samples.histograms[i] !== staleHistogram),
    histograms: samples.histograms.filter((histogram) => histogram !== staleHistogram),
  };
}

function hasRepetitions(timestampsMs: Float64Array): boolean {
  for (let i = 1; i < timestampsMs.length; i++) if (timestampsMs[i] === timestampsMs[i - 1]) return true;
  return false;
}

interface FloatColumns {
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
}

function lastOfEach(timestampsMs: Float64Array, values: Float64Array): FloatColumns {
  return keepSamples(timestampsMs, values, (i) => i + 1 === timestampsMs.length || timestampsMs[i + 1] !== timestampsMs[i]);
}

/** Values are moved as columns, so that the bits of stale markers survive. */
function keepSamples(timestampsMs: Float64Array, values: Float64Array, isKept: (index: number) => boolean): FloatColumns {
  const keptTimes = new Float64Array(timestampsMs.length);
  const keptValues = new Float64Array(values.length);
  let count = 0;
  for (let i = 0; i < values.length; i++) {
    if (!isKept(i)) continue;
    keptTimes[count] = timestampsMs[i];
    keptValues.set(values.subarray(i, i + 1), count++);
  }
  return { timestampsMs: keptTimes.subarray(0, count), values: keptValues.subarray(0, count) };
}
