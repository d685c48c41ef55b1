/**
 * Labels that a request adds to all its samples: `extra_label=name=value` in the query of the URL, and the grouping key in
 * the path of Prometheus' Pushgateway, /metrics/job/<job>/<name>/<value>..., where a name with `@base64` behind it has an
 * encoded value.
 */
import { InputError } from "../base/errors.ts";
import { compareBytewise, type Label, type Labels } from "../model/labels.ts";

/** The extra labels of a request; those of the query override those of the path. Throws InputError("bad_extra_label"). */
export function extraLabelsOf(path: string, query: URLSearchParams): Labels {
  const byName = new Map(pushgatewayLabels(path).map((label) => [label.name, label]));
  for (const parameter of query.getAll("extra_label")) {
    const at = parameter.indexOf("=");
    if (at < 1) throw new InputError("bad_extra_label", `extra_label must be name=value, not ${JSON.stringify(parameter)}`);
    byName.set(parameter.slice(0, at), { name: parameter.slice(0, at), value: parameter.slice(at + 1) });
  }
  return [...byName.values()].filter((label) => label.value !== "").sort((a, b) => compareBytewise(a.name, b.name));
}

/** The labels in a path of the Pushgateway, as text before decoding of `%`; none when it has another form. */
function pushgatewayLabels(path: string): Label[] {
  const match = /\/metrics\/(job(?:@base64)?\/.*)$/s.exec(path);
  if (match === null) return [];
  const labels: Label[] = [];
  const parts = match[1].split("/").map(decodePart);
  for (let i = 0; i < parts.length; i += 2) {
    if (parts[i] === "" && i + 1 >= parts.length) break;
    if (i + 1 >= parts.length) throw new InputError("bad_extra_label", `the value of label ${JSON.stringify(parts[i])} is missing in the path`);
    const isEncoded = parts[i].endsWith("@base64");
    const name = isEncoded ? parts[i].slice(0, -"@base64".length) : parts[i];
    const value = isEncoded ? decodeBase64(parts[i + 1]) : parts[i + 1];
    if (name !== "" && value !== "") labels.push({ name, value });
  }
  return labels;
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // Not percent-encoded: taken as it is.
  }
}

function decodeBase64(text: string): string {
  const digits = text.replace(/=+$/, "");
  if (!/^[A-Za-z0-9_-]*$/.test(digits) || digits.length % 4 === 1) {
    throw new InputError("bad_extra_label", `${JSON.stringify(text)} in the path is not base64 in its URL form`);
  }
  return Buffer.from(digits, "base64url").toString("utf8");
}
