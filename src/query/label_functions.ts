/** The label functions: they change, keep or order series by their labels and leave values alone. */
import { InputError } from "../base/errors.ts";
import { RE2JS } from "re2js";
import { compareBytewise, type Labels, labelValue, metricNameLabel } from "../model/labels.ts";
import { AnchoredRegexp } from "../model/regexp.ts";
import { LabelTextBudget } from "./label_text.ts";
import { dropLabels, keepLabels, type Series, setLabel, withoutName } from "./series.ts";
import type { TransformCall, TransformFunction } from "./transform_function.ts";

/** A function that gives each series other labels; `prepare` reads the arguments once. */
function relabel(prepare: (call: TransformCall) => (labels: Labels) => Labels): TransformFunction {
  return {
    keepsMetricName: true,
    evaluate: (call) => {
      const change = prepare(call);
      return call.vector(0).map((series) => ({ labels: change(series.labels), values: series.values }));
    },
  };
}

/** A function that keeps some series. */
function filter(prepare: (call: TransformCall) => (labels: Labels) => boolean): TransformFunction {
  return {
    keepsMetricName: true,
    evaluate: (call) => {
      const isKept = prepare(call);
      return call.vector(0).filter((series) => isKept(series.labels));
    },
  };
}

function pairsOf(call: TransformCall, fromIndex: number): [string, string][] {
  const texts = call.texts(fromIndex);
  if (texts.length % 2 !== 0) throw call.bad("takes pairs of strings, found half a pair");
  return texts.flatMap((text, i): [string, string][] => (i % 2 === 0 ? [[text, texts[i + 1]]] : []));
}

function labelSet(call: TransformCall): (labels: Labels) => Labels {
  const pairs = pairsOf(call, 1);
  return (labels) => pairs.reduce((result, [name, value]) => setLabel(result, name, value), labels);
}

function labelCopy(removesSource: boolean): TransformFunction {
  return relabel((call) => {
    const pairs = pairsOf(call, 1);
    return (labels) => pairs.reduce((result, [source, target]) => copyLabel(result, source, target, removesSource), labels);
  });
}

/** A missing source changes nothing. */
function copyLabel(labels: Labels, source: string, target: string, removesSource: boolean): Labels {
  const value = labelValue(labels, source);
  if (value === "") return labels;
  const copied = setLabel(labels, target, value);
  return removesSource && source !== target ? setLabel(copied, source, "") : copied;
}

function budgetOf(call: TransformCall): LabelTextBudget {
  return new LabelTextBudget(call.name, call.context.limits.memoryBytesMax);
}

function labelJoin(call: TransformCall): (labels: Labels) => Labels {
  const [target, separator, ...sources] = call.texts(1);
  const budget = budgetOf(call);
  return (labels) => setLabel(labels, target, budget.join(sources.map((source) => labelValue(labels, source)), separator));
}

function labelMap(call: TransformCall): (labels: Labels) => Labels {
  const label = call.text(1);
  const values = new Map(pairsOf(call, 2));
  return (labels) => {
    const value = labelValue(labels, label);
    return setLabel(labels, label, values.get(value) ?? value);
  };
}

function mapValues(change: (value: string) => string): TransformFunction {
  return relabel((call) => {
    const names = call.texts(1);
    return (labels) => names.reduce((result, name) => setLabel(result, name, change(labelValue(result, name))), labels);
  });
}

function labelReplace(call: TransformCall): (labels: Labels) => Labels {
  const [target, template, source, pattern] = call.texts(1);
  const regexp = new AnchoredRegexp(pattern);
  const names = regexp.groupNames;
  const budget = budgetOf(call);
  return (labels) => {
    const match = regexp.exec(labelValue(labels, source));
    return match === undefined ? labels : setLabel(labels, target, budget.expand(template, match, names));
  };
}

/** Replaces all matches within the value. */
function labelTransform(call: TransformCall): (labels: Labels) => Labels {
  const [label, pattern, template] = call.texts(1);
  const regexp = compile(pattern);
  const budget = budgetOf(call);
  return (labels) => {
    const value = labelValue(labels, label);
    let result = "";
    let position = 0;
    const matcher = regexp.matcher(value);
    const names = namesOf(regexp);
    let isMatched = false;
    while (matcher.find()) {
      isMatched = true;
      const groups = Array.from({ length: matcher.groupCount() + 1 }, (_, i) => matcher.group(i) ?? undefined);
      result += value.slice(position, matcher.start()) + budget.expand(template, groups, names);
      budget.checkLength(result.length);
      position = matcher.end();
    }
    return isMatched ? setLabel(labels, label, result + value.slice(position)) : labels;
  };
}

function compile(pattern: string): RE2JS {
  try {
    return RE2JS.compile(pattern);
  } catch (cause) {
    throw new InputError("bad_regexp", `cannot parse regexp ${JSON.stringify(pattern)}: ${String(cause)}`, { cause });
  }
}

function namesOf(regexp: RE2JS): string[] {
  const names = Array.from({ length: regexp.groupCount() }, () => "");
  for (const [name, index] of Object.entries(regexp.namedGroups())) names[index - 1] = name;
  return names;
}

function labelMatch(wanted: boolean): TransformFunction {
  return filter((call) => {
    const [label, pattern] = call.texts(1);
    const regexp = new AnchoredRegexp(pattern);
    return (labels) => regexp.test(labelValue(labels, label)) === wanted;
  });
}

/** The number in a label as the value of each point that has one. */
function numberOfLabel(call: TransformCall): readonly Series[] {
  const label = call.text(1);
  return call.vector(0).map((series) => {
    const text = labelValue(series.labels, label);
    const value = text.trim() === "" ? NaN : Number(text);
    for (let i = 0; i < series.values.length; i++) if (!Number.isNaN(series.values[i])) series.values[i] = value;
    return { labels: withoutName(series.labels), values: series.values };
  });
}

/** Keeps the parts of the dotted name with the given numbers. */
function graphiteGroup(call: TransformCall): (labels: Labels) => Labels {
  const indexes = call.args.slice(1).map((_, i) => call.integer(i + 1));
  return (labels) => {
    const parts = labelValue(labels, metricNameLabel).split(".");
    return setLabel(labels, metricNameLabel, indexes.map((index) => parts[index] ?? "").join("."));
  };
}

function dropCommonLabels(call: TransformCall): readonly Series[] {
  const all = call.args.flatMap((arg) => arg.vector);
  if (all.length === 0) return all;
  const common = all[0].labels.filter(({ name, value }) => all.every((series) => labelValue(series.labels, name) === value));
  const names = new Set(common.map((label) => label.name));
  return all.map((series) => ({ labels: dropLabels(series.labels, names), values: series.values }));
}

function sortByLabel(compare: (left: string, right: string) => number, direction: 1 | -1): TransformFunction {
  return {
    keepsMetricName: true,
    sortsResult: true,
    evaluate: (call) => {
      const names = call.texts(1);
      return [...call.vector(0)].sort((a, b) => {
        for (const name of names) {
          const order = compare(labelValue(a.labels, name), labelValue(b.labels, name)) * direction;
          if (order !== 0) return order;
        }
        return 0;
      });
    },
  };
}

/** Natural order: runs of digits (with sign and dot) compare as numbers, what is between as text. */
export function compareNumerically(left: string, right: string): number {
  let [a, b] = [left, right];
  for (;;) {
    if (a === "" || b === "") return a.length - b.length === 0 ? 0 : a === "" ? -1 : 1;
    const [aNumber, bNumber] = [numberPrefix(a), numberPrefix(b)];
    if ((aNumber === "") !== (bNumber === "")) return aNumber === "" ? 1 : -1;
    const order = Number(aNumber) - Number(bNumber);
    if (order !== 0) return order;
    [a, b] = [a.slice(aNumber.length), b.slice(bNumber.length)];
    const [aText, bText] = [textPrefix(a), textPrefix(b)];
    if (aText !== bText) return compareBytewise(aText, bText);
    [a, b] = [a.slice(aText.length), b.slice(bText.length)];
  }
}

function numberPrefix(text: string): string {
  return /^[-+]?(\d+\.?\d*|\.\d+)/.exec(text)?.[0] ?? "";
}

function textPrefix(text: string): string {
  return /^\D*/.exec(text)?.[0] ?? "";
}

export const labelFunctions: Readonly<Record<string, TransformFunction>> = {
  drop_common_labels: { keepsMetricName: true, evaluate: dropCommonLabels },
  label_copy: labelCopy(false),
  label_del: relabel((call) => {
    const names = new Set(call.texts(1));
    return (labels) => dropLabels(labels, names);
  }),
  label_graphite_group: relabel(graphiteGroup),
  label_join: relabel(labelJoin),
  label_keep: relabel((call) => {
    const names = new Set(call.texts(1));
    return (labels) => keepLabels(labels, names);
  }),
  label_lowercase: mapValues((value) => value.toLowerCase()),
  label_map: relabel(labelMap),
  label_match: labelMatch(true),
  label_mismatch: labelMatch(false),
  label_move: labelCopy(true),
  label_replace: relabel(labelReplace),
  label_set: relabel(labelSet),
  label_transform: relabel(labelTransform),
  label_uppercase: mapValues((value) => value.toUpperCase()),
  label_value: { evaluate: numberOfLabel },
  labels_equal: filter((call) => {
    const [first, ...others] = call.texts(1);
    return (labels) => others.every((name) => labelValue(labels, name) === labelValue(labels, first));
  }),
  sort_by_label: sortByLabel(compareBytewise, 1),
  sort_by_label_desc: sortByLabel(compareBytewise, -1),
  sort_by_label_numeric: sortByLabel(compareNumerically, 1),
  sort_by_label_numeric_desc: sortByLabel(compareNumerically, -1),
};
