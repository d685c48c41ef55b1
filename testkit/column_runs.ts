/** ColumnRuns for the tests of storage, from a seed, and their comparison. */
import type { Random } from "../src/base/random.ts";
import { columnKinds } from "../src/kernel/codec.ts";
import { hostileColumns, typicalColumns } from "../src/kernel/codec_columns.ts";
import type { ColumnRun } from "../src/storage/column_run.ts";

/** The samples of one series. */
export interface SeriesSamples {
  readonly seriesId: number;
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
  readonly lastLogRow: number;
}

/** Joins series (ascending ids) to a run. */
export function runOf(series: readonly SeriesSamples[]): ColumnRun {
  const sampleFrom = new Uint32Array(series.length + 1);
  series.forEach((one, i) => (sampleFrom[i + 1] = sampleFrom[i] + one.values.length));
  const run = {
    seriesCount: series.length,
    seriesIds: Uint32Array.from(series, (one) => one.seriesId),
    sampleFrom,
    timestampsMs: new Float64Array(sampleFrom[series.length]),
    values: new Float64Array(sampleFrom[series.length]),
    lastLogRows: Float64Array.from(series, (one) => one.lastLogRow),
  };
  series.forEach((one, i) => {
    run.timestampsMs.set(one.timestampsMs, sampleFrom[i]);
    run.values.set(one.values, sampleFrom[i]);
  });
  return run;
}

const valueColumns = [...typicalColumns, ...hostileColumns].filter((generator) => generator.kind === columnKinds.values);

/** Timestamps as one target's scrapes: shared by its series. */
export function scrapeTimes(count: number, startMs: number, random: Random): Float64Array {
  const jitterMs = random.int(3) * 5;
  return Float64Array.from({ length: count }, (_, i) => startMs + i * 15000 + (jitterMs === 0 ? 0 : random.int(jitterMs)));
}

/**
 * `seriesCount` series with up to `samplesMax` samples each and values of all kinds; groups of neighbours share their timestamps. Ids begin at
 * `firstId` with small gaps.
 */
export function randomSeries(seriesCount: number, samplesMax: number, random: Random, startMs = 1_700_000_000_000, firstId = 0): SeriesSamples[] {
  const series: SeriesSamples[] = [];
  let seriesId = firstId + random.int(5);
  let timestampsMs = scrapeTimes(1 + random.int(samplesMax), startMs, random);
  for (let i = 0; i < seriesCount; i++) {
    if (random.int(20) === 0) timestampsMs = scrapeTimes(1 + random.int(samplesMax), startMs + random.int(100000), random);
    const values = valueColumns[random.int(valueColumns.length)].make(timestampsMs.length, random);
    series.push({ seriesId, timestampsMs, values, lastLogRow: 1 + random.int(1e6) });
    seriesId += 1 + (random.int(10) === 0 ? random.int(50) : 0);
  }
  return series;
}

/** The bits of doubles, for comparing NaN payloads and the sign of zero. */
export function bitsOf(values: Float64Array): BigUint64Array {
  return new BigUint64Array(values.slice().buffer);
}
