/** What is served while the store is being opened: health, metrics, and "not yet" for everything else. */
import { UnavailableError } from "../base/errors.ts";
import type { MetricRegistry } from "../base/metrics.ts";
import { healthRoutes } from "./endpoints/health.ts";
import { metricsRoute } from "./endpoints/metrics.ts";
import type { Route } from "./router.ts";

const reason = "the node is starting: the log is being replayed";

export function startingRoutes(metrics: MetricRegistry): Route[] {
  return [
    ...healthRoutes(() => reason),
    metricsRoute(metrics),
    {
      path: "/*",
      methods: ["GET", "POST", "PUT", "DELETE"],
      handle() {
        throw new UnavailableError("not_ready", reason);
      },
    },
  ];
}
