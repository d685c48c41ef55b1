/** Functions that look at labels only: label_replace, label_join, and the sorts. */
import { InputError } from "../base/errors.ts";
import { compareLabels, type Labels, labelValue, metricNameLabel } from "../model/labels.ts";
import { AnchoredRegexp } from "../model/regexp.ts";
import { LabelTextBudget } from "../query/label_text.ts";
import { setLabel } from "../query/series.ts";
import { type Call, stringArg, vectorArg, vectorOf } from "./call.ts";
import { compareNaturally } from "./natural_order.ts";
import { mergeSameLabels } from "./series_labels.ts";
import { floatPoint, noPoint, type PromSeries, type PromValue } from "./vector.ts";

/** label_replace(v, target, replacement, source, regexp). */
export function labelReplace(call: Call): PromValue {
  const [target, replacement, source, pattern] = [1, 2, 3, 4].map((index) => stringArg(call, index));
  const regexp = new AnchoredRegexp(pattern);
  checkLabelName(target, "destination", "label_replace");
  const budget = new LabelTextBudget("label_replace", call.context.limits.memoryBytesMax);
  return relabeled(call, target, (labels) => {
    const match = regexp.exec(labelValue(labels, source));
    return match === undefined ? undefined : budget.expand(replacement, match, regexp.groupNames);
  });
}

/** label_join(v, target, separator, source...). */
export function labelJoin(call: Call): PromValue {
  const target = stringArg(call, 1);
  const separator = stringArg(call, 2);
  const sources = call.args.slice(3).map((_, i) => stringArg(call, i + 3));
  for (const source of sources) checkLabelName(source, "source", "label_join");
  checkLabelName(target, "destination", "label_join");
  const budget = new LabelTextBudget("label_join", call.context.limits.memoryBytesMax);
  return relabeled(call, target, (labels) => budget.join(sources.map((source) => labelValue(labels, source)), separator));
}

/** Sets a label of each series to what `valueOf` gives; undefined leaves the series as it is. */
function relabeled(call: Call, target: string, valueOf: (labels: Labels) => string | undefined): PromValue {
  const result = vectorArg(call, 0).map((series): PromSeries => {
    const value = valueOf(series.labels);
    if (value === undefined) return series;
    return { ...series, labels: setLabel(series.labels, target, value), dropsName: target === metricNameLabel ? false : series.dropsName };
  });
  return vectorOf(mergeSameLabels(result));
}

function checkLabelName(name: string, role: string, functionName: string): void {
  // U+FFFD is what bytes that are not UTF-8 have become.
  if (name !== "" && name.isWellFormed() && !name.includes("\ufffd")) return;
  throw new InputError("bad_argument", `invalid ${role} label name in ${functionName}(): ${name}`);
}

/** sort and sort_desc: floats only, NaN last. The order is that of an instant query; a range query has an order of its own. */
export function sortByValue(call: Call, direction: 1 | -1): PromValue {
  warnOfRange(call);
  const floats = vectorArg(call, 0).map(onlyFloats).filter((series) => series !== undefined);
  if (call.grid.points > 1) return vectorOf(floats);
  return vectorOf(floats.sort((left, right) => compareNumbers(left.values[0], right.values[0], direction)));
}

function compareNumbers(left: number, right: number, direction: 1 | -1): number {
  if (Number.isNaN(left) || Number.isNaN(right)) return Number(Number.isNaN(left)) - Number(Number.isNaN(right));
  return left === right ? 0 : (left < right ? -1 : 1) * direction;
}

function onlyFloats(series: PromSeries): PromSeries | undefined {
  if (series.histograms === undefined) return series;
  const present = series.present.map((kind) => (kind === floatPoint ? floatPoint : noPoint));
  return present.includes(floatPoint) ? { ...series, present, histograms: undefined } : undefined;
}

/** sort_by_label and sort_by_label_desc: by the values of labels in natural order, then by all labels. */
export function sortByLabel(call: Call, direction: 1 | -1): PromValue {
  warnOfRange(call);
  const names = call.args.slice(1).map((_, i) => stringArg(call, i + 1));
  const compare = (left: Labels, right: Labels): number => {
    for (const name of names) {
      const order = compareNaturally(labelValue(left, name), labelValue(right, name));
      if (order !== 0) return order;
    }
    return compareLabels(left, right);
  };
  return vectorOf([...vectorArg(call, 0)].sort((left, right) => compare(left.labels, right.labels) * direction));
}

function warnOfRange(call: Call): void {
  if (call.grid.points > 1) call.context.annotations.sortInRangeQuery(call.expr.position);
}
