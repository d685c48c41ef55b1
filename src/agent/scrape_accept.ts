/** The Accept header that asks for the protocols of a job, best first, as Prometheus writes it. */
import type { ScrapeProtocol } from "./scrape_config.ts";

const mediaTypes: Readonly<Record<ScrapeProtocol, string>> = {
  "PrometheusProto": "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
  "OpenMetricsText0.0.1": "application/openmetrics-text;version=0.0.1",
  "OpenMetricsText1.0.0": "application/openmetrics-text;version=1.0.0",
  "PrometheusText0.0.4": "text/plain;version=0.0.4",
  "PrometheusText1.0.0": "text/plain;version=1.0.0",
};

/** undefined for a job that leaves the choice to us. */
export function acceptHeader(protocols: readonly ScrapeProtocol[] | undefined): string | undefined {
  if (protocols === undefined) return undefined;
  const types = protocols.map((protocol, i) => `${mediaTypes[protocol]};q=0.${protocols.length + 1 - i}`);
  return [...types, "*/*;q=0.1"].join(",");
}
