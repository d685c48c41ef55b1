/** /api/v1/import: JSON lines {"metric":{},"values":[],"timestamps":[]}, as /api/v1/export writes them. */
import type { Api } from "../api.ts";
import { ingestRoute } from "../ingest_route.ts";
import type { Route } from "../router.ts";

export function importJsonRoute(api: Api): Route {
  return ingestRoute(api, { path: "/api/v1/import", type: "vmimport", parser: () => api.parsers.jsonLines, defaultEncoding: "identity" });
}
