/** /metrics: the node's own metrics in text format. */
import type { MetricRegistry } from "../../base/metrics.ts";
import type { Route } from "../router.ts";

export function metricsRoute(metrics: MetricRegistry): Route {
  return {
    path: "/metrics",
    methods: ["GET"],
    handle: (exchange) => exchange.send(200, "text/plain; version=0.0.4; charset=utf-8", metrics.print()),
  };
}
