/** /internal/force_flush, /internal/force_merge, /internal/resetRollupResultCache: maintenance that otherwise happens by itself; answered when it is done. */
import type { Api } from "../api.ts";
import type { Exchange } from "../exchange.ts";
import type { Route } from "../router.ts";

/** Seals what is in memory into parts on disk. */
export function forceFlushRoute(api: Api): Route {
  return maintenanceRoute("/internal/force_flush", () => api.store.flush());
}

/** Merges the parts of every partition, or of those whose name begins with the argument `partition_prefix`. */
export function forceMergeRoute(api: Api): Route {
  return maintenanceRoute("/internal/force_merge", (exchange) => api.store.merge(exchange.query.get("partition_prefix") ?? ""));
}

/** Forgets all results of queries that are kept. */
export function resetResultCachesRoute(api: Api): Route {
  return maintenanceRoute("/internal/resetRollupResultCache", async () => api.resetResultCaches());
}

function maintenanceRoute(path: string, work: (exchange: Exchange) => Promise<void>): Route {
  return {
    path,
    methods: ["GET", "POST"],
    async handle(exchange) {
      await work(exchange);
      await exchange.send(200, "text/plain; charset=utf-8", "ok\n");
    },
  };
}
