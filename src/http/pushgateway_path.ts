/** Paths of the Pushgateway, `.../metrics/job/<job>/<label>/<value>`; a name with `@base64` has its value in base64. */
import { InputError } from "../base/errors.ts";
import type { Labels } from "../model/labels.ts";

/** The labels in a path; none if it is no such path. Throws InputError "bad_argument" for values that cannot be decoded. */
export function pushgatewayLabels(path: string): Labels {
  const match = /\/metrics\/(job(?:@base64)?(?:\/.*)?)$/.exec(path);
  if (match === null) return [];
  const segments = match[1].split("/");
  const labels: { name: string; value: string }[] = [];
  for (let i = 0; i + 1 < segments.length; i += 2) {
    const [name, value] = [segments[i], segments[i + 1]];
    const decoded = name.endsWith("@base64") ? decodeBase64(value) : value;
    if (decoded !== "") labels.push({ name: name.replace(/@base64$/, ""), value: decoded });
  }
  return labels;
}

function decodeBase64(text: string): string {
  if (!/^[\w+/-]*={0,2}$/.test(text)) throw new InputError("bad_argument", `bad base64 in the path: ${text}`);
  return Buffer.from(text, "base64url").toString("utf8");
}
