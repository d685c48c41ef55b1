/** /api/v1/query: the value of an expression at one time. */
import type { Api } from "../api.ts";
import { sendExplanation } from "../explanation.ts";
import { answerQuery, readLatencyOffset, readQuery, readStep } from "../query_exchange.ts";
import type { Route } from "../router.ts";

export function queryRoute(api: Api): Route {
  return {
    path: "/api/v1/query",
    methods: ["GET", "POST"],
    async handle(exchange) {
      const requestArguments = await exchange.arguments();
      const nowMs = api.clock.nowMs();
      const query = readQuery(api, requestArguments);
      const stepMs = readStep(requestArguments);
      let timeMs = requestArguments.timeMs("time", nowMs, nowMs, query.dialect);
      const latencyOffsetMs = query.dialect === "promql" ? 0 : readLatencyOffset(api, requestArguments);
      // Times near now are moved back too, as VictoriaMetrics does: clients send their own clock as the time.
      if (!requestArguments.isSet("nocache") && Math.abs(nowMs - timeMs) < latencyOffsetMs) timeMs = nowMs - latencyOffsetMs;
      if (requestArguments.isSet("explain")) return sendExplanation(exchange, query);
      await answerQuery(api, exchange, requestArguments, {
        ...query,
        facts: { query: query.query, dialect: query.dialect, startMs: timeMs, endMs: timeMs, stepMs },
        run: () => api.queryRunner.instant({ ...query, timeMs, stepMs, get signal() { return exchange.signal; } }),
      });
    },
  };
}
