/** Label sets as JSON objects. Written by hand, because a label may be called `__proto__`. */
import type { Labels } from "../model/labels.ts";

export function printLabelsJson(labels: Labels): string {
  return `{${labels.map(({ name, value }) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(",")}}`;
}
