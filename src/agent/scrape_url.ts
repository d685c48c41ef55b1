/** Where a target is scraped: its URL out of `__address__`, `__scheme__`, `__metrics_path__` and `__param_*`. */
import type { LabelMap } from "../pipeline/replacement_template.ts";

export interface ScrapeUrl {
  readonly url: string;
  /** Host and port; becomes the label `instance` of a target that has none. */
  readonly address: string;
}

const parameterPrefix = "__param_";

/**
 * `parameters` gives second and further values of a parameter; its first value is the label. An address may be a whole URL. Answers
 * undefined without an address.
 */
export function scrapeUrlOf(labels: LabelMap, parameters: ReadonlyMap<string, readonly string[]>): ScrapeUrl | undefined {
  const [, givenScheme, host, givenPath] = /^(?:(https?):\/\/)?([^/]*)(\/.*)?$/s.exec(labels.get("__address__") ?? "")!;
  if (host === "") return undefined;
  const scheme = givenScheme ?? labels.get("__scheme__") ?? "http";
  const path = givenPath ?? labels.get("__metrics_path__") ?? "/metrics";
  const query = queryOf(labels, parameters);
  const absolutePath = path.startsWith("/") ? path : `/${path}`;
  const separator = query === "" ? "" : absolutePath.includes("?") ? "&" : "?";
  return { url: `${scheme}://${host}${absolutePath}${separator}${query}`, address: withPort(host, scheme) };
}

function withPort(host: string, scheme: string): string {
  const hasPort = /:\d+$/.test(host) && (!host.startsWith("[") ? true : host.includes("]:"));
  return hasPort ? host : `${host}:${scheme === "https" ? 443 : 80}`;
}

function queryOf(labels: LabelMap, parameters: ReadonlyMap<string, readonly string[]>): string {
  const query = new URLSearchParams();
  const names = [...labels.keys()].filter((name) => name.startsWith(parameterPrefix)).map((name) => name.slice(parameterPrefix.length)).sort();
  for (const name of names) {
    query.append(name, labels.get(parameterPrefix + name)!);
    for (const value of parameters.get(name)?.slice(1) ?? []) query.append(name, value);
  }
  return query.toString();
}
