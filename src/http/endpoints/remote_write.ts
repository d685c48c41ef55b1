/** /api/v1/write: Prometheus remote write 1.0, snappy unless the header says otherwise. */
import { InputError } from "../../base/errors.ts";
import type { Api } from "../api.ts";
import type { Exchange } from "../exchange.ts";
import { ingestRoute } from "../ingest_route.ts";
import type { Route } from "../router.ts";

const supportedMessage = "prometheus.WriteRequest";

/** /api/v1/push is another name for it in VictoriaMetrics. */
export function remoteWriteRoutes(api: Api): Route[] {
  return ["/api/v1/write", "/api/v1/push"].map((path) =>
    ingestRoute(api, { path, type: "promremotewrite", parser: () => api.parsers.remoteWrite, defaultEncoding: "snappy", checkHeaders: checkContentType }),
  );
}

/** Senders of remote write 2.0 name another message; told 415, they fall back to 1.0. Other content types are not looked at. */
function checkContentType(exchange: Exchange): void {
  const message = /;\s*proto\s*=\s*"?([\w.]+)"?/.exec(exchange.header("content-type"))?.[1];
  if (message === undefined || message === supportedMessage.toLowerCase()) return;
  throw new InputError("unsupported_content_type", `Content-Type ${exchange.header("content-type")} is not supported; supported: application/x-protobuf;proto=${supportedMessage} (remote write 1.0)`);
}
