/** Raw samples of one series as columns, and what has to be done to them before they are looked at. */
import { scanFlag } from "../kernel/promql_windows.ts";
import { type FloatHistogram, staleHistogram } from "../model/native_histogram.ts";
import { isStaleMarker } from "../model/row_batch.ts";

/** Floats and histograms apart, each in ascending time. */
export interface SampleColumns {
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
  readonly histogramTimesMs: Float64Array;
  readonly histograms: readonly FloatHistogram[];
  /** false: no float is less than the one before it. */
  readonly hasDecreases?: boolean;
  /** Start timestamps, if they were asked for and there are any. */
  readonly starts?: StartColumn;
}

/** Since when samples count: the times of samples of which that is known, ascending, and beside them the start in milliseconds. */
export interface StartColumn {
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
}

const noTimes = new Float64Array(0);
const noHistograms: readonly FloatHistogram[] = [];

export function floatSamples(timestampsMs: Float64Array, values: Float64Array): SampleColumns {
  return { timestampsMs, values, histogramTimesMs: noTimes, histograms: noHistograms };
}

/**
 * The samples as functions over ranges see them: without stale markers, and of several at the same time the last one. `scanned` is what
 * scan() would find, if that is known.
 */
export function rangeSamples(samples: SampleColumns, scanned?: number): SampleColumns {
  const flags = scanned ?? scan(samples.timestampsMs, samples.values);
  const floats = (flags & (hasStaleMarkers | hasRepetitions)) === 0 ? samples : keepLastValues(samples);
  const hasDecreases = (flags & hasLower) !== 0;
  if (!samples.histograms.includes(staleHistogram)) return { ...samples, timestampsMs: floats.timestampsMs, values: floats.values, hasDecreases };
  return {
    ...samples,
    timestampsMs: floats.timestampsMs,
    values: floats.values,
    histogramTimesMs: samples.histogramTimesMs.filter((_, i) => samples.histograms[i] !== staleHistogram),
    histograms: samples.histograms.filter((histogram) => histogram !== staleHistogram),
    hasDecreases,
  };
}

const { repeats: hasRepetitions, stale: hasStaleMarkers } = scanFlag;
/** A value is not at least the one before; with stale markers in between this is not certain, so they count. */
const { falls: hasLower } = scanFlag;

function scan(timestampsMs: Float64Array, values: Float64Array): number {
  let flags = 0;
  let previousMs = -Infinity;
  let previous = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    const timeMs = timestampsMs[i];
    if (timeMs === previousMs) flags |= hasRepetitions;
    if (!(value >= previous)) flags |= Number.isNaN(value) && isStaleMarker(values, i) ? hasStaleMarkers | hasLower : hasLower;
    previousMs = timeMs;
    previous = value;
  }
  return flags;
}

/** Values are moved as columns, so that the bits of NaN survive. */
function keepLastValues({ timestampsMs, values }: SampleColumns): { timestampsMs: Float64Array; values: Float64Array } {
  const keptTimes = new Float64Array(timestampsMs.length);
  const keptValues = new Float64Array(values.length);
  let count = 0;
  for (let i = 0; i < values.length; i++) {
    if (i + 1 < values.length && timestampsMs[i + 1] === timestampsMs[i]) continue;
    if (isStaleMarker(values, i)) continue;
    keptTimes[count] = timestampsMs[i];
    keptValues.set(values.subarray(i, i + 1), count++);
  }
  return { timestampsMs: keptTimes.subarray(0, count), values: keptValues.subarray(0, count) };
}
