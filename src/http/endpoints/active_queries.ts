/**
 * /api/v1/status/active_queries: what is being answered. DELETE with `id`, or POST with `cancel`, ends a query: its client gets 499 with a message that
 * says so, and the threads stop working on it.
 */
import type { Api } from "../api.ts";
import type { Exchange } from "../exchange.ts";
import type { Route } from "../router.ts";

export function activeQueriesRoute(api: Api): Route {
  return {
    path: "/api/v1/status/active_queries",
    methods: ["GET", "POST", "DELETE"],
    async handle(exchange) {
      const requestArguments = await exchange.arguments();
      if (exchange.method === "DELETE") return cancel(api, exchange, requestArguments.requiredText("id"));
      const id = requestArguments.text("cancel");
      if (id !== "" && exchange.method === "POST") return cancel(api, exchange, id);
      await exchange.sendJson({ status: "ok", data: describeQueries(api) });
    },
  };
}

/** In VictoriaMetrics' form; times and steps in milliseconds. */
function describeQueries(api: Api): object[] {
  const nowMs = api.clock.monotonicMs();
  return api.activeQueries.list().map(({ id, query, startMs, endMs, stepMs, remoteAddress, path, startedMs }) => ({
    duration: `${((nowMs - startedMs) / 1000).toFixed(3)}s`, id, remote_addr: remoteAddress, query, start: startMs, end: endMs, step: stepMs, path,
  }));
}

async function cancel(api: Api, exchange: Exchange, wantedId: string): Promise<void> {
  const { id, query } = api.activeQueries.cancel(wantedId);
  await exchange.sendJson({ status: "success", data: { id, query } });
}
