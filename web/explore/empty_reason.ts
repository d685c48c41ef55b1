/** Why a query that is right brings nothing: asks the server a few small questions about the metrics it names. */
import type { Client } from "../../client/index.ts";
import { metricNames } from "./query_text.ts";
import type { TimeGrid } from "./graph_data.ts";

/** What was found out about the first metric that explains the emptiness. */
export type EmptyReason =
  | { readonly kind: "noMetric" }
  | { readonly kind: "noSuchMetric"; readonly metric: string; readonly similar: readonly string[] }
  | { readonly kind: "notInRange"; readonly metric: string }
  | { readonly kind: "filtered"; readonly metric: string };

const maxMetrics = 4;
const maxSimilar = 5;
/** Servers assume the last hours without a range; the beginning of time means "ever". */
const everMs = { startMs: 0 };

/** See the top of the file. */
export async function findEmptyReason(client: Client, expression: string, grid: TimeGrid, signal: AbortSignal): Promise<EmptyReason> {
  const metrics = metricNames(expression).slice(0, maxMetrics);
  let filtered: string | undefined;
  for (const metric of metrics) {
    const match = [`{__name__=${JSON.stringify(metric)}}`];
    const inRange = await client.labelValues("__name__", { match, startMs: grid.fromMs, endMs: grid.toMs, limit: 1, signal });
    if (inRange.length > 0) {
      filtered ??= metric;
      continue;
    }
    const ever = await client.labelValues("__name__", { match, ...everMs, endMs: Date.now(), limit: 1, signal });
    if (ever.length > 0) return { kind: "notInRange", metric };
    return { kind: "noSuchMetric", metric, similar: await findSimilar(client, metric, signal) };
  }
  return filtered === undefined ? { kind: "noMetric" } : { kind: "filtered", metric: filtered };
}

/** Metrics that share a word with `metric`, those with most words first. */
async function findSimilar(client: Client, metric: string, signal: AbortSignal): Promise<string[]> {
  const words = metric.toLowerCase().split(/[_:.]+/).filter((word) => word.length > 1);
  if (words.length === 0) return [];
  const pattern = `(?i).*(${words.map((word) => word.slice(0, Math.max(2, word.length - 1))).join("|")}).*`;
  const names = await client.labelValues("__name__", { match: [`{__name__=~${JSON.stringify(pattern.replace(/[^\w.()|*?]/g, ""))}}`], limit: 500, signal });
  return rankSimilar(metric, names).slice(0, maxSimilar);
}

/** Names by the number of letter pairs that they share with `metric`, best first; those with little in common are left out. */
export function rankSimilar(metric: string, names: readonly string[]): string[] {
  const wanted = letterPairs(metric);
  const scored = names.map((name) => {
    const pairs = letterPairs(name);
    const shared = [...pairs].filter((pair) => wanted.has(pair)).length;
    return { name, score: (2 * shared) / (pairs.size + wanted.size) };
  });
  return scored.filter(({ score }) => score > 0.3).sort((left, right) => right.score - left.score).map(({ name }) => name);
}

function letterPairs(name: string): Set<string> {
  const lower = name.toLowerCase();
  return new Set(Array.from({ length: Math.max(1, lower.length - 1) }, (_, i) => lower.slice(i, i + 2)));
}
