/** Asks two servers the shapes of the benchmark at random places, in all ways that a cache may notice, and compares the answers. */
import type { Random } from "../../src/base/random.ts";
import { type BenchmarkSet, type BenchmarkSets, type BenchmarkShape, metadataShapes } from "./benchmark_shapes.ts";
import { askQuery, findDifference, type LanguageAnswer, type LanguageQuery } from "./language_servers.ts";

export interface BenchmarkPair {
  readonly tidemark: string;
  readonly peer: string;
  readonly dialect: "metricsql" | "promql";
}

export interface ShapeReport {
  asked: number;
  points: number;
  readonly differences: string[];
}

/** Sums of thousands of values have another order; nothing else may differ. */
const tolerance = { relative: 1e-9, absolute: 0, comparesOrder: false };

/**
 * Asks `runs` times; half of the windows lie on the grid of their step.
 *
 * The one difference that is known and not compared: rollup_rate and its like take the last sample of a window with the difference to the one after it.
 * The last point of a range has that sample only if the range ends later, so that what VictoriaMetrics answers there depends on where a range ended that lies
 * between two points, and, from its cache, on the ranges that others asked for before. Tidemark reads up to the last point, and never keeps such results. So
 * these shapes are asked on the grid, and all answers compared with what VictoriaMetrics says without its cache.
 */
export async function compareShape(pair: BenchmarkPair, shape: BenchmarkShape, sets: BenchmarkSets, random: Random, runs: number): Promise<ShapeReport> {
  const report: ShapeReport = { asked: 0, points: 0, differences: [] };
  const set = sets[shape.set];
  for (let run = 0; run < runs; run++) {
    const window = randomWindow(random, set, shape, run % 2 === 0 || shape.looksAhead === true);
    const time = randomTime(random, set, run % 2 === 0);
    for (const query of shape.expressions(random, set, pair.dialect === "promql")) {
      for (const request of [{ query, ...window }, { query, time }]) await compareQuery(pair, request, shape.looksAhead !== true, report);
    }
  }
  if (report.points === 0) report.differences.push("nothing is found");
  return report;
}

function randomWindow(random: Random, set: BenchmarkSet, { spanS, stepS }: BenchmarkShape, isAligned: boolean): { start: number; end: number; step: number } {
  const first = Math.ceil(set.minMs / 1000);
  const last = Math.max(first, Math.floor(set.maxMs / 1000) - spanS);
  const start = first + random.int(last - first + 1);
  if (!isAligned) return { start: start + random.int(1000) / 1000, end: start + spanS, step: stepS };
  const aligned = Math.ceil(start / stepS) * stepS;
  return { start: aligned, end: aligned + Math.floor(spanS / stepS) * stepS, step: stepS };
}

/** In the last half of the data, so that long windows are full. */
function randomTime(random: Random, { minMs, maxMs }: BenchmarkSet, isAligned: boolean): number {
  const timeMs = (minMs + maxMs) / 2 + random.int((maxMs - minMs) / 2);
  return isAligned ? Math.floor(timeMs / 60_000) * 60 : Math.floor(timeMs) / 1000;
}

/**
 * One request without caches, and twice with them. VictoriaMetrics moves a window that may be cached to multiples of its step, and so does Tidemark in its
 * language: such answers are compared with each other only.
 */
async function compareQuery({ tidemark, peer, dialect }: BenchmarkPair, request: LanguageQuery, trustsCache: boolean, report: ShapeReport): Promise<void> {
  const expected = await askQuery(peer, request, { nocache: "1" });
  const expectedCached = dialect === "metricsql" && trustsCache ? await askQuery(peer, request, {}) : expected;
  const compare = (way: string, answer: LanguageAnswer, right: LanguageAnswer): void => {
    const difference = right.error === undefined ? findDifference(answer, right, tolerance) : `the peer says ${right.error}`;
    if (difference !== undefined) report.differences.push(`${way} ${JSON.stringify(request)}: ${difference}`);
  };
  compare("nocache", await askQuery(tidemark, request, { dialect, nocache: "1" }), expected);
  for (const way of ["cached", "cached again"]) compare(way, await askQuery(tidemark, request, { dialect }), expectedCached);
  report.asked++;
  for (const [, points] of expected.series) report.points += points.length;
}

/** Names, values and series over all of the data: servers differ in how exactly they look at a shorter range (days, blocks), and none promises more. */
export async function compareMetadata({ tidemark, peer }: BenchmarkPair, sets: BenchmarkSets): Promise<string[]> {
  const all = Object.values(sets) as BenchmarkSet[];
  const range = { start: String(Math.min(...all.map(({ minMs }) => minMs)) / 1000 - 1), end: String(Math.max(...all.map(({ maxMs }) => maxMs)) / 1000 + 1) };
  const differences: string[] = [];
  for (const [path, selector] of metadataShapes) {
    const parameters = new URLSearchParams({ ...range, ...(selector === undefined ? {} : { "match[]": selector }) });
    const [found, expected] = await Promise.all([tidemark, peer].map((url) => askList(`${url}/api/v1/${path}?${parameters}`)));
    const isSame = found.length === expected.length && found.every((item, i) => item === expected[i]);
    if (!isSame || expected.length === 0) differences.push(`${path} ${selector ?? ""}: ${found.length}, expected ${expected.length}`);
  }
  return differences;
}

/** The list of an answer, in an order of its own. */
async function askList(url: string): Promise<string[]> {
  const { data } = (await (await fetch(url)).json()) as { data: (string | Record<string, string>)[] };
  return data.map((item) => (typeof item === "string" ? item : JSON.stringify(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))))).sort();
}
