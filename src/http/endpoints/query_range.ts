/** /api/v1/query_range: the values of an expression at every step between two times. */
import { adjustStartEnd } from "../../query/grid.ts";
import type { Api } from "../api.ts";
import { sendExplanation } from "../explanation.ts";
import { answerQuery, defaultStepMs, readLatencyOffset, readQuery, readStep } from "../query_exchange.ts";
import { checkGrid } from "../query_grid.ts";
import type { Route } from "../router.ts";

export function queryRangeRoute(api: Api): Route {
  return {
    path: "/api/v1/query_range",
    methods: ["GET", "POST"],
    async handle(exchange) {
      const requestArguments = await exchange.arguments();
      const nowMs = api.clock.nowMs();
      const query = readQuery(api, requestArguments);
      const stepMs = readStep(requestArguments);
      const startMs = requestArguments.timeMs("start", nowMs, nowMs - defaultStepMs, query.dialect);
      let endMs = requestArguments.timeMs("end", nowMs, nowMs, query.dialect);
      const isPromql = query.dialect === "promql";
      if (startMs > endMs && !isPromql) endMs = startMs + defaultStepMs;
      let grid = { startMs, endMs, stepMs };
      checkGrid(grid, api.limits.pointsMax);
      if (query.skipsCaches !== true && !isPromql) grid = { ...adjustStartEnd(startMs, endMs, stepMs), stepMs };
      const newestMs = isPromql ? nowMs : nowMs - readLatencyOffset(api, requestArguments);
      if (newestMs < nowMs && grid.endMs > newestMs && newestMs > grid.startMs) {
        grid = { ...grid, endMs: grid.startMs + Math.floor((newestMs - grid.startMs) / stepMs) * stepMs };
      }
      if (requestArguments.isSet("explain")) return sendExplanation(exchange, query);
      await answerQuery(api, exchange, requestArguments, {
        ...query,
        facts: { query: query.query, dialect: query.dialect, ...grid },
        run: () => api.queryRunner.range({ ...query, ...grid, get signal() { return exchange.signal; } }),
      });
    },
  };
}
