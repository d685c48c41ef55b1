/** /api/v1/status/top_queries: which queries were asked most often, took longest, and needed most memory. In VictoriaMetrics' form. */
import type { Api } from "../api.ts";
import type { QueryGroup } from "../query_statistics.ts";
import type { Route } from "../router.ts";

const topDefault = 20;
const lifetimeMsDefault = 600_000;

export function topQueriesRoute(api: Api): Route {
  return {
    path: "/api/v1/status/top_queries",
    methods: ["GET", "POST"],
    async handle(exchange) {
      const requestArguments = await exchange.arguments();
      const count = requestArguments.count("topN", topDefault) || topDefault;
      const lifetimeMs = requestArguments.durationMs("maxLifetime", lifetimeMsDefault);
      const { queriesMax, durationMsMin, memoryBytesMin } = api.queryStatistics.options;
      const groups = api.queryStatistics.groups(lifetimeMs);
      await exchange.sendJson({
        topN: String(count),
        maxLifetime: printGoDuration(lifetimeMs),
        "search.queryStats.lastQueriesCount": queriesMax,
        "search.queryStats.minQueryDuration": printGoDuration(durationMsMin),
        "search.queryStats.minQueryMemoryUsage": String(memoryBytesMin),
        topByCount: top(groups, count, (group) => group.count, () => ({})),
        topByAvgDuration: top(groups, count, averageMs, (group) => ({ avgDurationSeconds: seconds(averageMs(group)) })),
        topBySumDuration: top(groups, count, (group) => group.durationMs, (group) => ({ sumDurationSeconds: seconds(group.durationMs) })),
        topByAvgMemoryUsage: top(groups, count, averageBytes, (group) => ({ avgMemoryBytes: averageBytes(group) })),
      });
    },
  };
}

function top(groups: readonly QueryGroup[], count: number, rank: (group: QueryGroup) => number, figures: (group: QueryGroup) => object): object[] {
  const first = groups.toSorted((left, right) => rank(right) - rank(left)).slice(0, count);
  return first.map((group) => ({ query: group.query, timeRangeSeconds: group.timeRangeSeconds, ...figures(group), count: group.count }));
}

function averageMs(group: QueryGroup): number {
  return group.durationMs / group.count;
}

function averageBytes(group: QueryGroup): number {
  return Math.round(group.memoryBytes / group.count);
}

/** With milliseconds. */
function seconds(durationMs: number): number {
  return Math.round(durationMs) / 1000;
}

/** As Go prints durations, which VictoriaMetrics does here: 1ms, 1m30s, 10m0s. */
function printGoDuration(durationMs: number): string {
  if (durationMs > 0 && durationMs < 1000) return `${durationMs}ms`;
  const [hours, minutes, secondsLeft] = [Math.floor(durationMs / 3_600_000), Math.floor(durationMs / 60_000) % 60, (durationMs % 60_000) / 1000];
  return `${hours > 0 ? `${hours}h` : ""}${hours > 0 || minutes > 0 ? `${minutes}m` : ""}${secondsLeft}s`;
}
