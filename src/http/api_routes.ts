/** All endpoints of a running node. */
import type { Api } from "./api.ts";
import { activeQueriesRoute } from "./endpoints/active_queries.ts";
import { buildInfoRoute } from "./endpoints/build_info.ts";
import { exportRoute } from "./endpoints/export.ts";
import { forceFlushRoute, forceMergeRoute, resetResultCachesRoute } from "./endpoints/force.ts";
import { healthRoutes } from "./endpoints/health.ts";
import { importJsonRoute } from "./endpoints/import_json.ts";
import { importPrometheusRoutes } from "./endpoints/import_prometheus.ts";
import { labelValuesRoute } from "./endpoints/label_values.ts";
import { labelsRoute } from "./endpoints/labels.ts";
import { metadataRoute } from "./endpoints/metadata.ts";
import { metricsRoute } from "./endpoints/metrics.ts";
import { queryRoute } from "./endpoints/query.ts";
import { queryExemplarsRoute } from "./endpoints/query_exemplars.ts";
import { queryRangeRoute } from "./endpoints/query_range.ts";
import { queryTextRoutes } from "./endpoints/query_text.ts";
import { reloadRoute } from "./endpoints/reload.ts";
import { remoteWriteRoutes } from "./endpoints/remote_write.ts";
import { seriesRoute } from "./endpoints/series.ts";
import { targetsRoute } from "./endpoints/targets.ts";
import { topQueriesRoute } from "./endpoints/top_queries.ts";
import { userInterfaceRoutes } from "./endpoints/user_interface.ts";
import { LabelAnswers } from "./label_answers.ts";
import type { Route } from "./router.ts";

export function apiRoutes(api: Api): Route[] {
  const labelAnswers = new LabelAnswers(api.store, api.limits.skipsCaches);
  return [
    ...remoteWriteRoutes(api),
    ...importPrometheusRoutes(api),
    importJsonRoute(api),
    queryRoute(api),
    queryRangeRoute(api),
    ...queryTextRoutes(api),
    queryExemplarsRoute(api),
    labelsRoute(api, labelAnswers),
    labelValuesRoute(api, labelAnswers),
    seriesRoute(api, labelAnswers),
    exportRoute(api),
    metadataRoute(api),
    targetsRoute(api),
    buildInfoRoute(api),
    activeQueriesRoute(api),
    topQueriesRoute(api),
    ...healthRoutes(() => undefined),
    metricsRoute(api.metrics),
    reloadRoute(api),
    forceFlushRoute(api),
    forceMergeRoute(api),
    resetResultCachesRoute(api),
    ...userInterfaceRoutes(api.userInterface),
  ];
}
