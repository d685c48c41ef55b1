/** Labels as messages have them, in any order, become those of a series or of an exemplar. */
import type { LabelLimits } from "../kernel/label_run.ts";
import { histogramLabel } from "../model/histogram_series.ts";
import { compareBytewise, type Label, type Labels } from "../model/labels.ts";
import type { DropReason } from "../model/store.ts";
import type { ProtobufReader } from "./protobuf_reader.ts";

/** Labels of one exemplar may have so many characters together, as OpenMetrics says. */
const exemplarRunesMax = 128;

/** Reads a message of name = 1 and value = 2. */
export function readLabel(reader: ProtobufReader): Label {
  let [name, value] = ["", ""];
  while (reader.next()) {
    if (reader.field === 1) name = reader.text();
    else if (reader.field === 2) value = reader.text();
  }
  return { name, value };
}

/** Sorted, without empty ones, of equal names the last, extra labels over all; or why the series is dropped. */
export function canonicalLabels(labels: readonly Label[], extra: Labels, limits: LabelLimits): Labels | DropReason {
  const extraNames = new Set(extra.map(({ name }) => name));
  const own = labels.filter(({ name, value }) => name !== "" && value !== "" && !extraNames.has(name));
  const all = [...extra, ...own];
  if (all.some(({ name, value }) => Buffer.byteLength(name) > limits.nameSizeMax || Buffer.byteLength(value) > limits.valueSizeMax)) return "label_too_long";
  if (all.length > limits.labelsMax) return "too_many_labels";
  if (all.length === 0) return "no_labels";
  if (all.some(({ name }) => name === histogramLabel)) return "reserved_label";
  return [...new Map(all.map((label) => [label.name, label])).values()].sort((a, b) => compareBytewise(a.name, b.name));
}

/** Sorted, without empty ones; undefined if they are too long for an exemplar. */
export function readExemplarLabels(labels: readonly Label[]): Labels | undefined {
  const text = labels.map(({ name, value }) => name + value).join("");
  // A character takes at most two code units; long texts are not taken apart.
  if (text.length > 2 * exemplarRunesMax || [...text].length > exemplarRunesMax) return undefined;
  return labels.filter(({ name, value }) => name !== "" && value !== "").sort((a, b) => compareBytewise(a.name, b.name));
}
