/**
 * How the labels of a target come to its series. Where a series has a label of the same name, `honor_labels` decides: its own one stays,
 * or it is renamed to `exported_<name>`.
 */
import { type Labels, metricNameLabel } from "../model/labels.ts";
import { dropInternalLabels, labelMapOf, labelsOfMap, type RelabelRules } from "../pipeline/relabel_rules.ts";
import type { LabelMap } from "../pipeline/replacement_template.ts";

export interface TargetLabeling {
  readonly targetLabels: Labels;
  readonly honorLabels: boolean;
  readonly metricRelabelRules: RelabelRules;
  readonly externalLabels: Labels;
}

/** The labels that a series is stored with; undefined: dropped. */
export function storedLabels(scraped: Labels, { targetLabels, honorLabels, metricRelabelRules, externalLabels }: TargetLabeling): Labels | undefined {
  const labels = labelMapOf(scraped);
  addLabels(labels, targetLabels, honorLabels);
  if (!metricRelabelRules.isEmpty) {
    if (!metricRelabelRules.apply(labels)) return undefined;
    dropInternalLabels(labels);
  }
  if (!labels.has(metricNameLabel)) return undefined;
  addLabels(labels, externalLabels, honorLabels);
  return labelsOfMap(labels);
}

/** The labels of the automatic series `name`, which metric relabeling does not see. */
export function automaticLabels(name: string, { targetLabels, externalLabels }: TargetLabeling): Labels {
  const labels: LabelMap = new Map([[metricNameLabel, name]]);
  addLabels(labels, targetLabels, true);
  addLabels(labels, externalLabels, true);
  return labelsOfMap(labels);
}

function addLabels(labels: LabelMap, added: Labels, honorLabels: boolean): void {
  for (const { name, value } of added) {
    const own = labels.get(name);
    if (own === undefined) labels.set(name, value);
    else if (!honorLabels && name !== metricNameLabel) {
      labels.set(exportedName(labels, name), own);
      labels.set(name, value);
    }
  }
}

function exportedName(labels: LabelMap, name: string): string {
  let exported = `exported_${name}`;
  while (labels.has(exported)) exported = `exported_${exported}`;
  return exported;
}

/**
 * Whether a series of the body may have a label of one of these names. False is certain, true may be a false alarm: the name is looked
 * for as text, in front of an equals sign.
 */
export function mayHaveLabels(body: Uint8Array, names: readonly string[]): boolean {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return names.some((name) => !/^\w+$/.test(name) || mayHaveLabel(bytes, name));
}

function mayHaveLabel(bytes: Buffer, name: string): boolean {
  const equals = 0x3d;
  for (let at = bytes.indexOf(name, 0, "latin1"); at >= 0; at = bytes.indexOf(name, at + name.length, "latin1")) {
    if (at > 0 && isWordByte(bytes[at - 1])) continue;
    let end = at + name.length;
    while (bytes[end] === 0x22 || bytes[end] === 0x20 || bytes[end] === 0x09) end++;
    if (bytes[end] === equals) return true;
  }
  return false;
}

function isWordByte(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a) || byte === 0x5f;
}
