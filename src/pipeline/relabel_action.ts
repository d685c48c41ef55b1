/**
 * The actions of relabeling, one row each: which keys a rule with this action must and must not have, and the step that it becomes.
 * Semantics are those of VictoriaMetrics, which are Prometheus' for the actions that both have, but for `hashmod`: VictoriaMetrics
 * hashes with xxHash64 and Prometheus with MD5.
 */
import { checksumHexOfBytes } from "../kernel/checksum.ts";
import { metricNameLabel } from "../model/labels.ts";
import type { AnchoredRegexp } from "../model/regexp.ts";
import { expandGraphite, GraphiteMatch } from "./graphite_template.ts";
import { type LabelMap, ReplacementTemplate } from "./replacement_template.ts";
import type { SeriesFilter } from "./series_filter.ts";
import { TextReplacer } from "./text_replacer.ts";

/** A rule with its defaults filled in and its patterns compiled. */
export interface RelabelParameters {
  readonly sourceLabels: readonly string[];
  readonly separator: string;
  readonly targetLabel: string;
  readonly regexp: AnchoredRegexp;
  /** Whether the rule has a `regex` of its own. */
  readonly hasRegexp: boolean;
  readonly replacement: string;
  readonly modulus: number;
  /** Of the action `graphite`. */
  readonly match: string;
  readonly labels: ReadonlyMap<string, string>;
}

/** Changes the labels; false: the series or target is dropped. */
export type RelabelStep = (labels: LabelMap) => boolean;

export type RelabelKey = "source_labels" | "target_label" | "regex" | "modulus" | "replacement" | "match" | "labels";

export interface RelabelAction {
  readonly requires?: readonly RelabelKey[];
  readonly forbids?: readonly RelabelKey[];
  /** At least so many source labels. */
  readonly sourceLabelsMin?: number;
  /** Takes `if` in place of the keys it requires. */
  readonly orCondition?: boolean;
  /** What happens to a series that the condition `if` does not match: it stays as it is, unless said otherwise. */
  readonly dropsUnmatched?: boolean;
  step(rule: RelabelParameters): RelabelStep;
}

const pair = ["source_labels", "target_label"] as const;

export const relabelActions = {
  replace: { requires: ["target_label"], step: replaceStep },
  replace_all: { requires: pair, step: replaceAllStep },
  keep: { requires: ["source_labels"], orCondition: true, dropsUnmatched: true, step: (rule) => matchStep(rule, true) },
  drop: { requires: ["source_labels"], orCondition: true, step: (rule) => matchStep(rule, false) },
  keep_metrics: {
    requires: ["regex"], forbids: ["source_labels"], orCondition: true, dropsUnmatched: true,
    step: (rule) => matchStep({ ...rule, sourceLabels: [metricNameLabel] }, true),
  },
  drop_metrics: { requires: ["regex"], forbids: ["source_labels"], orCondition: true, step: (rule) => matchStep({ ...rule, sourceLabels: [metricNameLabel] }, false) },
  keepequal: { requires: pair, forbids: ["regex"], step: (rule) => (labels) => joined(labels, rule) === (labels.get(rule.targetLabel) ?? "") },
  dropequal: { requires: pair, forbids: ["regex"], step: (rule) => (labels) => joined(labels, rule) !== (labels.get(rule.targetLabel) ?? "") },
  keep_if_equal: { requires: ["source_labels"], sourceLabelsMin: 2, forbids: ["target_label", "regex"], step: (rule) => (labels) => areEqual(labels, rule) },
  drop_if_equal: { requires: ["source_labels"], sourceLabelsMin: 2, forbids: ["target_label", "regex"], step: (rule) => (labels) => !areEqual(labels, rule) },
  keep_if_contains: { requires: pair, forbids: ["regex"], step: (rule) => (labels) => containsAll(labels, rule) },
  drop_if_contains: { requires: pair, forbids: ["regex"], step: (rule) => (labels) => !containsAll(labels, rule) },
  hashmod: { requires: ["source_labels", "target_label", "modulus"], step: hashmodStep },
  lowercase: { requires: pair, step: (rule) => caseStep(rule, (text) => text.toLowerCase()) },
  uppercase: { requires: pair, step: (rule) => caseStep(rule, (text) => text.toUpperCase()) },
  labelmap: { step: labelmapStep },
  labelmap_all: { step: labelmapAllStep },
  labeldrop: { step: (rule) => labelFilterStep(rule, false) },
  labelkeep: { step: (rule) => labelFilterStep(rule, true) },
  graphite: { requires: ["match", "labels"], forbids: ["source_labels", "target_label", "regex", "replacement"], step: graphiteStep },
} satisfies Record<string, RelabelAction>;

export type RelabelActionName = keyof typeof relabelActions;

export const relabelActionNames = Object.keys(relabelActions) as RelabelActionName[];

/** The step of a rule, guarded by its condition `if`. */
export function relabelStep(name: RelabelActionName, rule: RelabelParameters, condition: SeriesFilter | undefined): RelabelStep {
  const action: RelabelAction = relabelActions[name];
  const step = action.step(rule);
  if (condition === undefined) return step;
  const unmatched = action.dropsUnmatched !== true;
  return (labels) => (condition(labels) ? step(labels) : unmatched);
}

/** Sets a label; an empty value removes it. */
export function setLabel(labels: LabelMap, name: string, value: string): void {
  if (value === "") labels.delete(name);
  else labels.set(name, value);
}

/** The values of the source labels with the separator between them. */
function joined(labels: LabelMap, { sourceLabels, separator }: RelabelParameters): string {
  if (sourceLabels.length === 1) return labels.get(sourceLabels[0]) ?? "";
  return sourceLabels.map((name) => labels.get(name) ?? "").join(separator);
}

function replaceStep(rule: RelabelParameters): RelabelStep {
  const { regexp, hasRegexp } = rule;
  const value = new ReplacementTemplate(rule.replacement, regexp, true);
  const target = new ReplacementTemplate(rule.targetLabel, regexp, false);
  const fixedName = target.constant;
  const matchesAll = !hasRegexp || regexp.pattern === "(.*)";
  if (fixedName !== undefined && matchesAll && value.isFirstGroup) {
    return (labels) => (setLabel(labels, fixedName, joined(labels, rule)), true);
  }
  const { constant } = value;
  if (fixedName !== undefined && constant !== undefined) {
    return (labels) => {
      if (matchesAll || regexp.test(joined(labels, rule))) setLabel(labels, fixedName, constant);
      return true;
    };
  }
  return (labels) => {
    const groups = regexp.exec(joined(labels, rule));
    if (groups !== undefined) setLabel(labels, target.expand(groups, labels), value.expand(groups, labels));
    return true;
  };
}

function replaceAllStep(rule: RelabelParameters): RelabelStep {
  const replacer = textReplacer(rule);
  return (labels) => {
    const value = replacer.replace(joined(labels, rule), labels);
    if (value !== undefined) setLabel(labels, rule.targetLabel, value);
    return true;
  };
}

function textReplacer(rule: RelabelParameters): TextReplacer {
  return new TextReplacer(rule.regexp.pattern, new ReplacementTemplate(rule.replacement, rule.regexp, false));
}

function matchStep(rule: RelabelParameters, keeps: boolean): RelabelStep {
  if (!rule.hasRegexp) return () => keeps; // matches everything: the condition decides
  return (labels) => rule.regexp.test(joined(labels, rule)) === keeps;
}

function areEqual(labels: LabelMap, { sourceLabels }: RelabelParameters): boolean {
  const first = labels.get(sourceLabels[0]) ?? "";
  return sourceLabels.every((name) => (labels.get(name) ?? "") === first);
}

function containsAll(labels: LabelMap, { sourceLabels, targetLabel }: RelabelParameters): boolean {
  const target = labels.get(targetLabel) ?? "";
  return sourceLabels.every((name) => target.includes(labels.get(name) ?? ""));
}

function hashmodStep(rule: RelabelParameters): RelabelStep {
  const modulus = BigInt(rule.modulus);
  return (labels) => {
    const hash = BigInt(`0x${checksumHexOfBytes(Buffer.from(joined(labels, rule)))}`);
    setLabel(labels, rule.targetLabel, String(hash % modulus));
    return true;
  };
}

function caseStep(rule: RelabelParameters, convert: (text: string) => string): RelabelStep {
  return (labels) => (setLabel(labels, rule.targetLabel, convert(joined(labels, rule))), true);
}

function labelmapStep(rule: RelabelParameters): RelabelStep {
  const target = new ReplacementTemplate(rule.replacement, rule.regexp, false);
  return (labels) => {
    for (const [name, value] of Array.from(labels)) {
      const groups = rule.regexp.exec(name);
      if (groups !== undefined) labels.set(target.expand(groups, labels), value);
    }
    labels.delete("");
    return true;
  };
}

function labelmapAllStep(rule: RelabelParameters): RelabelStep {
  const replacer = textReplacer(rule);
  return (labels) => {
    for (const [name, value] of Array.from(labels)) {
      const newName = replacer.replace(name, labels);
      if (newName === undefined || newName === name) continue;
      labels.delete(name);
      if (newName !== "") labels.set(newName, value);
    }
    return true;
  };
}

function labelFilterStep(rule: RelabelParameters, keeps: boolean): RelabelStep {
  return (labels) => {
    for (const name of labels.keys()) if (rule.regexp.test(name) !== keeps) labels.delete(name);
    return true;
  };
}

function graphiteStep(rule: RelabelParameters): RelabelStep {
  const pattern = new GraphiteMatch(rule.match);
  return (labels) => {
    const groups = pattern.match(labels.get(metricNameLabel) ?? "");
    if (groups === undefined) return true;
    for (const [name, template] of rule.labels) setLabel(labels, name, expandGraphite(template, groups));
    return true;
  };
}
