/** /api/v1/metadata: type, help and unit of metrics. */
import { compareBytewise } from "../../model/labels.ts";
import type { MetricMetadata } from "../../model/row_batch.ts";
import type { Api } from "../api.ts";
import type { RequestArguments } from "../request_arguments.ts";
import type { Route } from "../router.ts";

type Entry = Omit<MetricMetadata, "metricFamily">;

export function metadataRoute(api: Api): Route {
  return {
    path: "/api/v1/metadata",
    methods: ["GET", "POST"],
    async handle(exchange) {
      const requestArguments = await exchange.arguments();
      const limits = { families: limitOf(requestArguments, "limit"), perFamily: limitOf(requestArguments, "limit_per_metric") };
      const metric = requestArguments.text("metric");
      const all = await api.store.metadata();
      const data = byFamily(metric === "" ? all : all.filter(({ metricFamily }) => metricFamily === metric), limits);
      await exchange.sendJson({ status: "success", data: Object.fromEntries(data) });
    },
  };
}

/** 0, negative numbers (as Prometheus' clients send them) and nothing stand for no limit. */
function limitOf(requestArguments: RequestArguments, name: string): number {
  return /^-\d+$/.test(requestArguments.text(name)) ? Infinity : requestArguments.count(name, 0) || Infinity;
}

function byFamily(all: readonly MetricMetadata[], limits: { readonly families: number; readonly perFamily: number }): Map<string, Entry[]> {
  const found = new Map<string, Entry[]>();
  const ordered = all.toSorted((left, right) => compareBytewise(left.metricFamily, right.metricFamily));
  for (const { metricFamily, type, help, unit } of ordered) {
    const entries = found.get(metricFamily);
    if (entries === undefined && found.size < limits.families) found.set(metricFamily, [{ type, help, unit }]);
    else if (entries !== undefined && entries.length < limits.perFamily) entries.push({ type, help, unit });
  }
  return found;
}
