/**
 * Operations of two vectors: series of both sides with the same signature go together. One side is the one with at most one series
 * per signature and point, the other may have many if group_left or group_right says so.
 */
import { InputError } from "../base/errors.ts";
import type { BinaryExpr } from "../metricsql/ast.ts";
import { type Labels, labelValue, metricNameLabel } from "../model/labels.ts";
import { dropLabels, keepLabels, labelsKey, setLabel } from "../query/series.ts";
import { arithmetic, type BinaryCall, comparisons, computeBinary, type Operand } from "./binary_element.ts";
import type { PromContext } from "./context.ts";
import { printSeriesLabels, withoutMetadata } from "./series_labels.ts";
import { floatPoint, histogramAt, noPoint, type PromSeries, SeriesBuilder } from "./vector.ts";

type Matching = BinaryExpr["matching"];

/** The labels that have to be the same on both sides. */
export function matchedLabels(matching: Matching): (labels: Labels) => Labels {
  const names = new Set(matching?.labels);
  if (matching?.op === "on") return (labels) => keepLabels(labels, names);
  names.add(metricNameLabel);
  return (labels) => dropLabels(labels, names);
}

/** A text that is the same for series that go together. */
export function signatureOf(matching: Matching): (labels: Labels) => string {
  const matched = matchedLabels(matching);
  return (labels) => labelsKey(matched(labels));
}

/** All series of both sides with one signature. */
interface MatchGroup {
  readonly many: PromSeries[];
  readonly one: PromSeries[];
}

/** REQUIRES: an operator that is no set operator. */
export function matchVectors(
  context: PromContext, expr: BinaryExpr, call: BinaryCall, left: readonly PromSeries[], right: readonly PromSeries[], points: number,
): PromSeries[] {
  const isSwapped = expr.join?.op === "group_right";
  const [many, one] = isSwapped ? [right, left] : [left, right];
  const run = new VectorMatcher(context, expr, call, isSwapped, points);
  const groups = groupBySignature(expr.matching, many, one);
  const active = run.activePoints(many, one);
  for (const group of groups) run.combine(group, active);
  return run.result();
}

function groupBySignature(matching: Matching, many: readonly PromSeries[], one: readonly PromSeries[]): Iterable<MatchGroup> {
  const signature = signatureOf(matching);
  const groups = new Map<string, MatchGroup>();
  const groupOf = (labels: Labels): MatchGroup => {
    const key = signature(labels);
    let group = groups.get(key);
    if (group === undefined) groups.set(key, (group = { many: [], one: [] }));
    return group;
  };
  for (const series of many) groupOf(series.labels).many.push(series);
  for (const series of one) groupOf(series.labels).one.push(series);
  return groups.values();
}

/** A series of the result, and where a pair has been found for it, even if its comparison failed. */
class MatchTarget extends SeriesBuilder {
  readonly seen = new Uint8Array(this.present.length);
}

class VectorMatcher {
  readonly #context: PromContext;
  readonly #expr: BinaryExpr;
  readonly #call: BinaryCall;
  readonly #isSwapped: boolean;
  readonly #points: number;
  /** Values for what is missing on the side with one, and with many. */
  readonly #fillOne: number | undefined;
  readonly #fillMany: number | undefined;
  readonly #compute: ((left: number, right: number) => number) | undefined;
  readonly #compare: ((left: number, right: number) => boolean) | undefined;
  readonly #labelsOf: (many: Labels, one: Labels) => Labels;
  readonly #matchedLabels: (labels: Labels) => Labels;
  readonly #targets: MatchTarget[] = [];

  constructor(context: PromContext, expr: BinaryExpr, call: BinaryCall, isSwapped: boolean, points: number) {
    this.#context = context;
    this.#expr = expr;
    this.#call = call;
    this.#isSwapped = isSwapped;
    this.#points = points;
    this.#fillOne = isSwapped ? expr.fillLeft : expr.fillRight;
    this.#fillMany = isSwapped ? expr.fillRight : expr.fillLeft;
    this.#compute = arithmetic[expr.op];
    this.#compare = comparisons[expr.op];
    this.#labelsOf = resultLabels(context, expr);
    this.#matchedLabels = matchedLabels(expr.matching);
  }

  /** Where something can match: at a point where one side is empty and nothing is filled in, not even duplicates are looked for. */
  activePoints(many: readonly PromSeries[], one: readonly PromSeries[]): Uint8Array {
    const [hasMany, hasOne] = [many, one].map((all) => {
      const some = new Uint8Array(this.#points);
      for (const { present } of all) for (let point = 0; point < some.length; point++) some[point] |= present[point];
      return some;
    });
    const fills = this.#fillMany !== undefined || this.#fillOne !== undefined;
    return hasMany.map((kind, point) => (fills ? kind | hasOne[point] : kind === noPoint || hasOne[point] === noPoint ? 0 : 1));
  }

  combine({ many, one }: MatchGroup, active: Uint8Array): void {
    if (one.length > 1) this.#refuseDuplicates(one, active);
    const matched = new Uint8Array(this.#points);
    const targets = new Map<string, MatchTarget>();
    for (const series of many) {
      for (const partner of one) this.#combinePair(series, partner, matched, targets);
      if (this.#fillOne !== undefined) this.#combinePair(series, this.#filler(series, one, this.#fillOne), matched, targets);
    }
    if (this.#fillMany === undefined) return;
    for (const partner of one) {
      const filler = this.#filler(partner, [], this.#fillMany);
      this.#combinePair({ ...filler, present: filler.present.map((kind, point) => (matched[point] === 0 ? kind : noPoint)) }, partner, new Uint8Array(this.#points), targets);
    }
  }

  result(): PromSeries[] {
    return this.#targets.filter((target) => !target.isEmpty);
  }

  /** A series of one value where `series` has a point and none of `partners` has. */
  #filler(series: PromSeries, partners: readonly PromSeries[], value: number): PromSeries {
    const isMissing = (kind: number, point: number): number =>
      kind !== noPoint && partners.every(({ present }) => present[point] === noPoint) ? floatPoint : noPoint;
    return {
      labels: this.#matchedLabels(series.labels), values: new Float64Array(this.#points).fill(value), present: series.present.map(isMissing), histograms: undefined, dropsName: false,
    };
  }

  /** Two series of the side with one at the same point and with the same signature. */
  #refuseDuplicates(one: readonly PromSeries[], active: Uint8Array): void {
    for (let point = 0; point < this.#points; point++) {
      if (active[point] === 0) continue;
      const [first, second] = one.filter(({ present }) => present[point] !== noPoint);
      if (second === undefined) continue;
      const group = printSeriesLabels(this.#matchedLabels(first.labels));
      const side = this.#isSwapped ? "left" : "right";
      const found = `[${printSeriesLabels(first.labels)}, ${printSeriesLabels(second.labels)}]`;
      throw new InputError(
        "many_to_many",
        `found duplicate series for the match group ${group} on the ${side} hand-side of the operation: ${found}` +
          ";many-to-many matching not allowed: matching labels must be unique on one side",
      );
    }
  }

  /** Combines two series wherever both have a point. `matched` says where the group has had a pair, `targets` what it has made. */
  #combinePair(many: PromSeries, one: PromSeries, matched: Uint8Array, targets: Map<string, MatchTarget>): void {
    const isOneToOne = this.#expr.join === undefined;
    let target: MatchTarget | undefined;
    for (let point = 0; point < this.#points; point++) {
      if (many.present[point] === noPoint || one.present[point] === noPoint) continue;
      target ??= this.#targetOf(many, one, targets);
      this.#combinePoint(many, one, point, target, isOneToOne ? matched : target.seen, matched);
    }
  }

  #combinePoint(many: PromSeries, one: PromSeries, point: number, target: SeriesBuilder, seen: Uint8Array, matched: Uint8Array): void {
    const [left, right] = this.#isSwapped ? [one, many] : [many, one];
    let value: Operand;
    let holds = true;
    if (left.present[point] === floatPoint && right.present[point] === floatPoint && (this.#compute ?? this.#compare) !== undefined) {
      value = this.#compute === undefined ? left.values[point] : this.#compute(left.values[point], right.values[point]);
      holds = this.#compare === undefined || this.#compare(left.values[point], right.values[point]);
    } else {
      const result = computeBinary(this.#call, histogramAt(left, point) ?? left.values[point], histogramAt(right, point) ?? right.values[point]);
      if (result === undefined) return;
      ({ value, holds } = result);
    }
    if (seen[point] !== 0) throw multipleMatches(this.#expr);
    seen[point] = 1;
    matched[point] = 1;
    if (this.#expr.bool) target.setFloat(point, holds ? 1 : 0);
    else if (!holds) return;
    else if (typeof value === "number") target.setFloat(point, value);
    else target.setHistogram(point, value);
  }

  #targetOf(many: PromSeries, one: PromSeries, targets: Map<string, MatchTarget>): MatchTarget {
    const labels = this.#labelsOf(many.labels, one.labels);
    const key = labelsKey(labels);
    let target = targets.get(key);
    if (target === undefined) {
      this.#context.countColumns(1, this.#points);
      target = new MatchTarget(labels, this.#points, this.#expr.bool);
      targets.set(key, target);
      this.#targets.push(target);
    }
    return target;
  }
}

function multipleMatches({ join }: BinaryExpr): InputError {
  const advice = join === undefined ? "many-to-one matching must be explicit (group_left/group_right)" : "grouping labels must ensure unique matches";
  return new InputError("multiple_matches", `multiple matches for labels: ${advice}`);
}

/** The labels of a result by those of the side with many and the side with one. */
function resultLabels(context: PromContext, { op, bool, matching, join }: BinaryExpr): (many: Labels, one: Labels) => Labels {
  const dropsMetadata = arithmetic[op] !== undefined || (bool && !context.delaysNameRemoval);
  const names = new Set(matching?.labels);
  return (many, one) => {
    let labels = dropsMetadata ? withoutMetadata(many) : many;
    if (join === undefined) labels = matching?.op === "on" ? keepLabels(labels, names) : dropLabels(labels, names);
    for (const name of join?.labels ?? []) labels = setLabel(labels, name, labelValue(one, name));
    return labels;
  };
}
