/** The plain way to prepare a rollup (RollupPushDown): one sample in place of neighbours that no window tells apart. */
import type { RollupPushDown } from "../model/store.ts";

export interface JoinedSamples {
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
  readonly weights: Float64Array;
}

/** Joins what may be joined of samples in ascending time. */
export function joinSamples(timestampsMs: Float64Array, values: Float64Array, rollup: RollupPushDown): JoinedSamples {
  const joined: { timestampMs: number; at: number; value: number; weight: number }[] = [];
  for (let i = 0; i < values.length; i++) {
    const last = joined.at(-1);
    const isSplit = last === undefined || Number.isNaN(values[i]) || Number.isNaN(last.value) || isBetween(rollup, last.timestampMs, timestampsMs[i]);
    if (isSplit) joined.push({ timestampMs: timestampsMs[i], at: i, value: values[i], weight: 1 });
    else joined[joined.length - 1] = join(rollup, last, { timestampMs: timestampsMs[i], at: i, value: values[i], weight: 1 });
  }
  // NaN payloads pass through no number.
  const words = new BigUint64Array(values.buffer, values.byteOffset, values.length);
  const joinedValues = Float64Array.from(joined, ({ value }) => value);
  const joinedWords = new BigUint64Array(joinedValues.buffer);
  joined.forEach(({ value, at }, i) => {
    if (Number.isNaN(value)) joinedWords[i] = words[at];
  });
  return { timestampsMs: Float64Array.from(joined, ({ timestampMs }) => timestampMs), values: joinedValues, weights: Float64Array.from(joined, ({ weight }) => weight) };
}

type Sample = { readonly timestampMs: number; readonly at: number; readonly value: number; readonly weight: number };

function join({ function: name }: RollupPushDown, left: Sample, right: Sample): Sample {
  const both = { timestampMs: right.timestampMs, at: right.at, weight: left.weight + right.weight };
  switch (name) {
    case "sum":
    case "avg":
      return { ...both, value: left.value + right.value };
    case "min":
      return { ...both, value: right.value < left.value ? right.value : left.value };
    case "max":
      return { ...both, value: right.value > left.value ? right.value : left.value };
    case "first":
      return left;
    default:
      return { ...both, value: right.value };
  }
}

/** Whether a window begins or ends at or behind the left time and before the right one. */
function isBetween({ function: name, startMs, stepMs, points, windowMs }: RollupPushDown, leftMs: number, rightMs: number): boolean {
  for (let p = 0; p < points; p++) {
    const endMs = startMs + p * stepMs;
    if (name !== "first" && endMs >= leftMs && endMs < rightMs) return true;
    if (name !== "last" && endMs - windowMs >= leftMs && endMs - windowMs < rightMs) return true;
  }
  return false;
}
