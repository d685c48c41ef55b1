/**
 * The series of an answer as the graph and its legend need them: values on one grid of moments, statistics, names and colours. Made
 * in slices, because an answer can have a million samples.
 */
import type { QueryAnswer, Series } from "../../client/index.ts";
import { assignColors } from "../palette.ts";
import { commonLabels, printSeries } from "../series_name.ts";
import type { Labels } from "../series_name.ts";

/** Moments fromMs, fromMs + stepMs, ... toMs. */
export interface TimeGrid {
  readonly fromMs: number;
  readonly toMs: number;
  readonly stepMs: number;
}

/** Over the samples that a series has; NaN if it has none. */
export interface SeriesStatistics {
  readonly last: number;
  readonly min: number;
  readonly max: number;
  readonly avg: number;
}

/** One line of the graph. */
export interface GraphSeries extends SeriesStatistics {
  /** Unique on the page and the same after the next refresh. */
  readonly key: string;
  /** Which query it answers, from 0. */
  readonly queryIndex: number;
  readonly labels: Labels;
  /** name{...}; what the colour comes from. */
  readonly name: string;
  /** Index in the palette. */
  readonly color: number;
  /** One value per moment of the grid; NaN where there is none. */
  readonly values: Float64Array;
}

/** All lines of the graph. */
export interface GraphData {
  readonly grid: TimeGrid;
  readonly series: readonly GraphSeries[];
  /** What all series have, and lists need not repeat; empty for a single series. */
  readonly common: Labels;
  readonly sampleCount: number;
}

/** Number of moments of a grid. */
export function gridSize(grid: TimeGrid): number {
  return Math.floor((grid.toMs - grid.fromMs) / grid.stepMs + 1e-9) + 1;
}

/** Prepares the answers of queries 0, 1, ... (undefined where there is none). Yields between series. */
export function* makeGraphData(answers: readonly (QueryAnswer | undefined)[], grid: TimeGrid): Generator<undefined, GraphData> {
  const drafts: Omit<GraphSeries, "color">[] = [];
  let sampleCount = 0;
  for (const [queryIndex, answer] of answers.entries()) {
    for (const series of answer?.series ?? []) {
      sampleCount += series.values.length;
      const name = printSeries(series.labels);
      const values = gridValues(series, grid);
      drafts.push({ key: `${queryIndex} ${name}`, queryIndex, labels: series.labels, name, values, ...seriesStatistics(values) });
      yield undefined;
    }
  }
  const colors = assignColors(drafts.map(({ queryIndex, name }) => (queryIndex === 0 ? name : `${queryIndex} ${name}`)));
  yield undefined;
  return {
    grid, sampleCount,
    series: drafts.map((draft, i) => ({ ...draft, color: colors[i] })),
    common: drafts.length > 1 ? commonLabels(drafts.map(({ labels }) => labels)) : {},
  };
}

/** Puts samples on the grid; of several at one moment the last stays. */
function gridValues(series: Series, grid: TimeGrid): Float64Array {
  const values = new Float64Array(gridSize(grid)).fill(Number.NaN);
  const { timestampsMs } = series;
  for (let i = 0; i < timestampsMs.length; i++) {
    const index = Math.round((timestampsMs[i] - grid.fromMs) / grid.stepMs);
    if (index >= 0 && index < values.length) values[index] = series.values[i];
  }
  return values;
}

/** Statistics over what is not NaN. */
export function seriesStatistics(values: Float64Array): SeriesStatistics {
  let last = Number.NaN;
  let min = Infinity;
  let max = -Infinity;
  let sum = 0;
  let count = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (Number.isNaN(value)) continue;
    last = value;
    if (value < min) min = value;
    if (value > max) max = value;
    sum += value;
    count++;
  }
  if (count === 0) return { last, min: Number.NaN, max: Number.NaN, avg: Number.NaN };
  return { last, min, max, avg: sum / count };
}
