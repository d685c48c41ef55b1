// Both query languages against the servers whose answers they promise: MetricsQL against VictoriaMetrics, PromQL against Prometheus. All three hold
// the same samples by remote write: a page of node_exporter turned into a fleet, devops metrics, and small series with resets, gaps, stale markers,
// several intervals and histograms. Queries of dashboards and of TSBS, instant and over ranges, then random ones, without caches and with. TIDEMARK_TEST_SEED
// tries others, TIDEMARK_PEER_QUERIES more of them.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Random, seededRandom } from "../../src/base/random.ts";
import { devopsSeries, fleetOfPage, irregularSeries } from "../query_data.ts";
import { randomMetricsqlQuery } from "../random_metricsql_query.ts";
import { randomVectorQuery } from "../random_promql_query.ts";
import { testSeed } from "../seed.ts";
import { commonQueries, metricsqlQueries } from "./dashboard_queries.ts";
import { askQuery, findDifference, type LanguageAnswer, type LanguageQuery, type LanguageServers, startLanguageServers, writeEverywhere } from "./language_servers.ts";
import { findPeer, freePort, PeerProcess, waitFor } from "./peer_process.ts";

const commands = {
  victoriaMetrics: findPeer("VictoriaMetrics", "VM_CMD", "/usr/bin/victoria-metrics"),
  prometheus: findPeer("prometheus", "PROM_CMD", "/usr/bin/prometheus"),
};
const exporterCommand = findPeer("node_exporter", "NODE_EXPORTER_CMD", "/usr/bin/prometheus-node-exporter");

interface Language {
  readonly name: "metricsql" | "promql";
  readonly peer: keyof typeof commands;
  readonly queries: readonly string[];
  /** Whether series of a range query are sorted by their labels; VictoriaMetrics sorts some labels (job, instance) before others. */
  readonly sortsRanges: boolean;
  readonly random: (random: Random, levels: number) => string;
  /** Why an answer to such a query may be another one. */
  readonly differences: readonly { readonly query: RegExp; readonly reason: string }[];
}

/** cosh(710) is 1.1e308 here, +Inf there. */
const exponentialReason = "Go's exponential function on amd64 overflows from 709.44 on, not from 709.78, and cosh and sinh, which end at 710.48, are half of it";

const languages: readonly Language[] = [
  {
    name: "metricsql",
    peer: "victoriaMetrics",
    queries: [...commonQueries, ...metricsqlQueries],
    sortsRanges: false,
    random: randomMetricsqlQuery,
    // Besides what testkit/random_metricsql_query.ts never asks.
    differences: [
      { query: /\b(?:sin|cos|tan)\(/, reason: "the last digit of a huge angle turns it anywhere" },
      { query: /\b(?:exp|cosh|sinh)\(/, reason: exponentialReason },
      { query: /outliersk/, reason: "two series are equally far from the median between them" },
      { query: /count_values/, reason: "values that differ in their last digit are labels that differ" },
      { query: /label_(?:map|transform|uppercase|lowercase)\(/, reason: "VictoriaMetrics takes a label that is not there for one that was dropped before, since it uses its memory again" },
      { query: /range_(?:median|quantile)\(/, reason: "VictoriaMetrics takes the value before the last where the quantile is between infinities and no number" },
      { query: /bitmap_/, reason: "which integer infinity is depends on the processor" },
      { query: /on \(\)|group_|\{__name__=~/, reason: "where two series of a side that should have one meet at one or two points, the later one in VictoriaMetrics' memory is taken" },
      { query: /histogram_\w+\(/, reason: "a bucket that has samples but no point is a bound in VictoriaMetrics, since sums keep series without points" },
      { query: /\) or (?:on|ignoring) /, reason: "VictoriaMetrics fills gaps of a left series from its namesake on the right only if the left series that hide this one come later" },
      { query: /rollup.*rollup|aggr_over_time.*(?:rollup|aggr_over_time)|(?:rollup|quantiles).*aggr_over_time/, reason: "VictoriaMetrics answers several series with the same labels where one function replaces the label of another" },
      { query: /\b(?:minute|hour|month|year|day_of_\w+|days_in_month)\(/, reason: "which date infinity is depends on the processor" },
      { query: /\b(?:stddev|stdvar|zscore|range_std\w+|range_zscore)\w*\(.*(?:time|tlast|tfirst|tmin|tmax)/, reason: "the variance of large times is in their last digits" },
    ],
  },
  {
    name: "promql",
    peer: "prometheus",
    queries: commonQueries,
    sortsRanges: true,
    random: randomVectorQuery,
    differences: [
      { query: /histogram_fraction/, reason: "an upper bound in the +Inf bucket gave NaN before Prometheus 3.6" },
      { query: /limitk|limit_ratio/, reason: "which series are taken depends on the order of series in memory" },
      { query: /topk|bottomk/, reason: "of equal values either may be ranked, and most values here are small numbers" },
      { query: /\b(?:hour|day_of_week)\(/, reason: "which date NaN and infinity are depends on the processor" },
      { query: /(?:stddev|stdvar).*(?:timestamp|ts_of)/, reason: "the variance of large times is in their last digits" },
      { query: /count_values/, reason: "values that differ in their last digit are labels that differ" },
      { query: /\b(?:exp|cosh|sinh)\(/, reason: exponentialReason },
    ],
  },
];

const randomQueries = Number(process.env["TIDEMARK_PEER_QUERIES"] ?? 1500);
/** A longer run shows all differences that it has, up to so many. */
const differencesMax = 40;
const startMs = 1_700_000_000_000;
const start = startMs / 1000;
const hourS = 3600;

let folder: string;
let servers: LanguageServers;
let samples = 0;

before(async () => {
  if (commands.victoriaMetrics === undefined && commands.prometheus === undefined) return;
  folder = mkdtempSync(join(tmpdir(), "tidemark-peer-"));
  servers = await startLanguageServers(folder, commands);
  const random = seededRandom(testSeed());
  const page = exporterCommand === undefined ? "" : await scrape(exporterCommand);
  samples = await writeEverywhere(servers, [
    ...devopsSeries(random, { startMs, intervalMs: 60_000, samples: 240, hosts: 8 }),
    ...irregularSeries(random, startMs),
    ...irregularSeries(random, startMs, { outer: ["a", ["1", "2"]], inner: ["b", ["x", "y", "z"]] }),
    // The last one: how many random numbers the page takes depends on the machine, and the other series are to be those of the seed.
    ...fleetOfPage(page, random, { startMs, intervalMs: 15_000, samples: 240, hosts: 3 }),
  ]);
});
after(async () => {
  if (folder === undefined) return;
  await servers[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

async function scrape(command: string): Promise<string> {
  const port = await freePort();
  await using _exporter = new PeerProcess(command, [`--web.listen-address=127.0.0.1:${port}`]);
  return await waitFor("node_exporter", () => fetch(`http://127.0.0.1:${port}/metrics`).then((response) => response.text(), () => undefined));
}

/** The answers of the program and of the peer. */
function ask(language: Language, request: LanguageQuery): Promise<[LanguageAnswer, LanguageAnswer]> {
  const url = servers[language.peer]!;
  return Promise.all([askQuery(servers.tidemark, request, { dialect: language.name, nocache: "1" }), askQuery(url, request, { nocache: "1" })]);
}

/** Times at which a query of a list is asked: instants on and off the grid of samples, and several windows and steps. */
const grids: readonly ({ time: number } | { start: number; end: number; step: number })[] = [
  { time: start + hourS - 600 }, { time: start + 1807.3 }, { start: start + 600, end: start + hourS, step: 15 }, { start: start + 607, end: start + 2407, step: 60 }, { start: start + 1200, end: start + 1400, step: 5 }, { start, end: start + 2 * hourS, step: 300 },
];

for (const language of languages) {
  const skip = commands[language.peer] === undefined ? `PEER MISSING: ${language.peer}` : exporterCommand === undefined ? "PEER MISSING: node_exporter" : false;

  test(`${language.name}: queries of dashboards and benchmarks are answered as by ${language.peer}`, { skip }, async (t) => {
    const differences: string[] = [];
    let points = 0;
    for (const query of language.queries) {
      let found = 0;
      for (const grid of grids) {
        const request = { query, ...grid };
        const [answer, expected] = await ask(language, request);
        const hasOrder = "step" in grid ? language.sortsRanges : query.startsWith("sort");
        const difference = findDifference(answer, expected, { relative: 1e-9, absolute: 0, comparesOrder: hasOrder });
        if (difference !== undefined) differences.push(`${JSON.stringify(request)}: ${difference}`);
        for (const [, column] of expected.series) found += column.length;
      }
      if (found === 0) differences.push(`${query} finds nothing`);
      points += found;
    }
    t.diagnostic(`${samples} samples, ${language.queries.length * grids.length} questions, ${points} points compared`);
    assert.deepEqual(differences, []);
  });

  test(`${language.name}: random queries are answered as by ${language.peer}`, { skip: commands[language.peer] === undefined ? skip : false, timeout: 60_000 + randomQueries * 200 }, async (t) => {
    const random = seededRandom(testSeed());
    const differences: string[] = [];
    const counts = { asked: 0, answered: 0, refused: 0, points: 0, differentForAReason: 0 };
    for (let i = 0; i < randomQueries && differences.length < differencesMax; i++) {
      const request = randomRequest(random, language);
      const [answer, expected] = await ask(language, request);
      // Functions and modifiers that are newer than the peer.
      if (/unknown function|unexpected identifier/.test(expected.error ?? "")) continue;
      counts.asked++;
      if (expected.error !== undefined) counts.refused++;
      if (expected.series.length > 0) counts.answered++;
      for (const [, column] of expected.series) counts.points += column.length;
      const kept = await askQuery(servers.tidemark, request, { dialect: language.name });
      const difference = findDifference(answer, expected, tolerance) ?? findDifference(kept, expected, tolerance);
      if (difference === undefined) continue;
      if (language.differences.some(({ query }) => query.test(request.query))) counts.differentForAReason++;
      else differences.push(`seed ${testSeed()}: ${JSON.stringify(request)}: ${difference}`);
    }
    t.diagnostic(JSON.stringify(counts));
    assert.deepEqual(differences, []);
    assert.ok(counts.answered > counts.asked / 4, `${counts.answered} of ${counts.asked} queries found something`);
    assert.ok(counts.differentForAReason < counts.asked / 25, `${counts.differentForAReason} of ${counts.asked} answers differ`);
  });
}

const tolerance = { relative: 1e-9, absolute: 1e-9, comparesOrder: false };

/** Half of the ranges begin on the grid of their step, so that results of earlier ones are used; longer ones are moved there if they are not. */
function randomRequest(random: Random, language: Language): LanguageQuery {
  const query = language.random(random, 1 + random.int(4)).replaceAll(/@ (\d+)\b/g, (_, seconds: string) => `@ ${start + Number(seconds)}`);
  const from = start + random.int(3000);
  if (random.int(3) === 0) return { query, time: from };
  const step = [7, 10, 15, 30, 60, 300][random.int(6)];
  if (random.int(2) === 0) return { query, start: from, end: from + step * random.int(30), step };
  const aligned = from - (from % step);
  return { query, start: aligned, end: aligned + step * random.int(120), step };
}
