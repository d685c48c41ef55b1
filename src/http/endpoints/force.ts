/** /internal/force_flush and /internal/force_merge: maintenance that otherwise happens by itself; answered when it is done. */
import type { Api } from "../api.ts";
import type { Route } from "../router.ts";

/** Seals what is in memory into parts on disk. */
export function forceFlushRoute(api: Api): Route {
  return maintenanceRoute("/internal/force_flush", () => api.store.flush());
}

/** Merges the parts of every partition. */
export function forceMergeRoute(api: Api): Route {
  return maintenanceRoute("/internal/force_merge", () => api.store.merge());
}

function maintenanceRoute(path: string, work: () => Promise<void>): Route {
  return {
    path,
    methods: ["GET", "POST"],
    async handle(exchange) {
      await work();
      await exchange.send(200, "text/plain; charset=utf-8", "ok\n");
    },
  };
}
