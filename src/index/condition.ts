/**
 * A matcher as a condition on the pairs of a series: it must have one of some pairs of a name, or none of them. A missing label
 * has the value "", so matchers that accept "" are of the second kind: no pair of the name that the matcher refuses.
 */
import type { Matcher } from "../model/matcher.ts";
import type { AnchoredRegexp } from "../model/regexp.ts";

export interface Condition {
  readonly pairIds: readonly number[];
  /** true: the series has none of the pairs; false: it has one of them. */
  readonly negative: boolean;
  /** How many series have one of the pairs. */
  readonly seriesCount: number;
}

/** The pairs of one name, in any order. */
export interface PairDictionary {
  readonly pairIds: readonly number[];
  /** Pair ids of the values that match; valid until the next call. */
  matching(regexp: AnchoredRegexp): readonly number[];
}

/** How many series have a pair. */
export interface PairCounts {
  postingCount(pairId: number): number;
}

/** What a condition is made from. */
export interface ConditionSource {
  readonly index: PairCounts;
  /** Pair id of a label, or -1. */
  findPair(name: string, value: string): number;
  /** The dictionary of a name, or undefined if no series has it. */
  dictionary(name: string): PairDictionary | undefined;
  regexp(pattern: string): AnchoredRegexp;
}

/** The condition of one matcher. Throws InputError for a bad regular expression. */
export function conditionOf(source: ConditionSource, matcher: Matcher): Condition {
  const { name, value } = matcher;
  switch (matcher.op) {
    case "=": return value === "" ? anyPair(source, name, true) : onePair(source, name, value, false);
    case "!=": return value === "" ? anyPair(source, name, false) : onePair(source, name, value, true);
    case "=~": return regexpCondition(source, name, source.regexp(value), true);
    case "!~": return regexpCondition(source, name, source.regexp(value), false);
  }
}

function onePair(source: ConditionSource, name: string, value: string, negative: boolean): Condition {
  const pairId = source.findPair(name, value);
  return condition(source, pairId < 0 ? [] : [pairId], negative);
}

function anyPair(source: ConditionSource, name: string, negative: boolean): Condition {
  return condition(source, source.dictionary(name)?.pairIds ?? [], negative);
}

function regexpCondition(source: ConditionSource, name: string, regexp: AnchoredRegexp, wanted: boolean): Condition {
  const matching = matchingPairs(source, name, regexp);
  // A series without the label passes if "" matching is what is wanted; then the pairs that do not pass are listed.
  const negative = regexp.matchesEmpty === wanted;
  if (!regexp.matchesEmpty) return condition(source, matching, negative);
  return condition(source, otherPairs(source.dictionary(name)?.pairIds ?? [], matching), negative);
}

/** Pairs of the name whose values match. */
function matchingPairs(source: ConditionSource, name: string, regexp: AnchoredRegexp): readonly number[] {
  if (regexp.literals === undefined) return source.dictionary(name)?.matching(regexp) ?? [];
  const pairIds: number[] = [];
  for (const literal of regexp.literals) {
    const pairId = literal === "" ? -1 : source.findPair(name, literal);
    if (pairId >= 0) pairIds.push(pairId);
  }
  return pairIds;
}

function otherPairs(all: readonly number[], some: readonly number[]): readonly number[] {
  if (some.length === all.length) return [];
  const excluded = new Set(some);
  return all.filter((pairId) => !excluded.has(pairId));
}

/** A condition on pairs of one name (a series has at most one of them). */
export function condition({ index }: Pick<ConditionSource, "index">, pairIds: readonly number[], negative: boolean): Condition {
  let seriesCount = 0;
  for (let i = 0; i < pairIds.length; i++) seriesCount += index.postingCount(pairIds[i]);
  return { pairIds, negative, seriesCount };
}
