/** /api/v1/status/buildinfo. Grafana enables features by this version, so it says what VictoriaMetrics says. */
import type { Api } from "../api.ts";
import type { Route } from "../router.ts";

export function buildInfoRoute(api: Api): Route {
  return {
    path: "/api/v1/status/buildinfo",
    methods: ["GET"],
    async handle(exchange) {
      await exchange.sendJson({ status: "success", data: { version: "2.24.0", application: "tidemark", applicationVersion: api.version } });
    },
  };
}
