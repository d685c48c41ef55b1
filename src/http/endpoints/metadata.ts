/** /api/v1/metadata: type, help and unit of metrics. */
import type { MetricMetadata } from "../../model/row_batch.ts";
import type { Api } from "../api.ts";
import type { Route } from "../router.ts";

export function metadataRoute(api: Api): Route {
  return {
    path: "/api/v1/metadata",
    methods: ["GET", "POST"],
    async handle(exchange) {
      const requestArguments = await exchange.arguments();
      const limit = requestArguments.count("limit", 0) || Infinity;
      const metric = requestArguments.text("metric");
      const byFamily = new Map<string, Omit<MetricMetadata, "metricFamily">[]>();
      for (const { metricFamily, type, help, unit } of await api.store.metadata()) {
        if (metric !== "" && metric !== metricFamily) continue;
        const entries = byFamily.get(metricFamily) ?? [];
        if (entries.length === 0 && byFamily.size >= limit) break;
        byFamily.set(metricFamily, [...entries, { type, help, unit }]);
      }
      await exchange.sendJson({ status: "success", data: Object.fromEntries(byFamily) });
    },
  };
}
