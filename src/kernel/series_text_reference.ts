/** The clear version of wasm/series_text.ts. */
import { numberTextReference, numberTextValuesReference } from "./number_text_reference.ts";
import type { SeriesForm } from "./series_text.ts";

/** One series as it stands behind a comma; `labels` are texts like `"name":"value"`. */
export function seriesTextReference(form: SeriesForm, labels: readonly string[], timestampsMs: Float64Array, values: Float64Array): string {
  const set = `{${labels.join(",")}}`;
  if (form === "labels") return set;
  const value = form === "vector" ? `"value":[${timestampsMs[0] / 1000},"${numberTextReference(values[0])}"]` : `"values":${numberTextValuesReference(timestampsMs, values)}`;
  return `{"metric":${set},${value}}`;
}
