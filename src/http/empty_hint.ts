/**
 * Why an answer has no series: which metric, label or value of the query does not exist, what was probably meant, or when there were samples last. The
 * hints are strings beside Prometheus' `warnings` and `infos`: {"status":"success","data":{...,"result":[]},"hints":["..."]}.
 *
 * Looking for them is bounded: a few selectors, a few names each, no longer than a fraction of a second; whatever is not found by then is not said.
 */
import { nearestName } from "../base/nearest_name.ts";
import type { Expr } from "../metricsql/ast.ts";
import { durationMs } from "../metricsql/duration.ts";
import { replaceGraphiteFilters } from "../metricsql/graphite_filter.ts";
import { parseExpr } from "../metricsql/parser.ts";
import { childrenOf } from "../metricsql/visit.ts";
import { histogramLabel } from "../model/histogram_series.ts";
import { metricNameLabel } from "../model/labels.ts";
import { defaultTenant, type Matcher, type Selector } from "../model/matcher.ts";
import type { LabelsRequest, TimeRange } from "../model/store.ts";
import type { QueryStats } from "../query/query_context.ts";
import { printSelector } from "../query/selector_text.ts";
import type { QueryFacts } from "./active_queries.ts";
import type { Api } from "./api.ts";

export interface EmptyQuery extends QueryFacts {
  readonly enforcedFilters: Selector;
  readonly stats: Readonly<QueryStats> | undefined;
  readonly signal: AbortSignal;
}

const selectionsMax = 4;
const matchersMax = 8;
/** Names and values that are compared with the one that is not there. */
const namesMax = 10_000;
/** Compared between two turns of the event loop. */
const namesPerTurn = 500;
const searchMsMax = 300;
/** Letters at the beginning of a metric that are seldom wrong. */
const prefixLength = 3;
const shownValuesMax = 5;
/** A part of a name has to have as many letters to be taken for the name. */
const partLengthMin = 3;
const dayMs = 86_400_000;
/** How far back it is looked for what is not in the range of the query. */
const pastMs = 31 * dayMs;
/** How far a selector without a window may look back. */
const lookbackMs = 300_000;
const emptyResult = Buffer.from('"result":[]');
const emptyBodyBytesMax = 1024;

/** Whether the document has an empty list of series. */
export function isEmptyAnswer(body: Uint8Array): boolean {
  return body.length <= emptyBodyBytesMax && Buffer.from(body.buffer, body.byteOffset, body.length).includes(emptyResult);
}

/** At most one sentence per selector of the query. */
export async function findEmptyHints(api: Api, query: EmptyQuery): Promise<string[]> {
  // A server that queries wait for has other things to do.
  if (api.queryGate.waiting > 0) return [];
  const hints: string[] = [];
  const ended = Promise.withResolvers<void>();
  using _timer = api.clock.setTimer(searchMsMax, ended.resolve);
  const search = new HintSearch(api, query);
  const work = async (): Promise<void> => {
    const selections = selectionsOf(query);
    // What was read was filtered or computed away: nothing is missing.
    if (selections.length === 1 && (query.stats?.seriesFetched ?? 0) > 0) return;
    for (const selection of selections) {
      const hint = await search.explain(selection);
      if (hint !== undefined) hints.push(hint);
    }
  };
  // An answer without hints is better than none: what fails here (another dialect, an index that cannot be read) is no error of the query.
  await Promise.race([work().catch(() => undefined), ended.promise]);
  search.end();
  return [...new Set(hints)];
}

/** What a selector asks for, with the times that it looks at. */
interface Selection {
  readonly group: Group;
  readonly range: TimeRange;
}

type Group = readonly Matcher[];

function selectionsOf({ query, dialect, startMs, endMs, stepMs }: EmptyQuery): Selection[] {
  const selections: Selection[] = [];
  const visit = (expr: Expr, windowMs: number, offsetMs: number): void => {
    if (expr.kind === "rollup") {
      const ownWindowMs = expr.window === undefined ? windowMs : windowMs + durationMs(expr.window, stepMs);
      return visit(expr.inner, ownWindowMs, offsetMs + (expr.offset === undefined ? 0 : durationMs(expr.offset, stepMs)));
    }
    if (expr.kind !== "selector") return childrenOf(expr).forEach((child) => visit(child, windowMs, offsetMs));
    const range = { minMs: Math.max(0, startMs - offsetMs - Math.max(windowMs, lookbackMs)), maxMs: Math.max(0, endMs - offsetMs) };
    for (const group of expr.groups) if (group.length > 0 && selections.length < selectionsMax) selections.push({ group, range });
  };
  const expr = parseExpr(query, { dialect });
  visit(dialect === "metricsql" ? replaceGraphiteFilters(expr) : expr, 0, 0);
  return selections;
}

class HintSearch {
  readonly #ended = new AbortController();
  readonly #api: Api;
  readonly #query: EmptyQuery;

  constructor(api: Api, query: EmptyQuery) {
    this.#api = api;
    this.#query = query;
  }

  /** Nobody waits for hints any more. */
  end(): void {
    this.#ended.abort(new Error("the search for hints is over"));
  }

  async explain({ group, range }: Selection): Promise<string | undefined> {
    const past = { minMs: Math.max(0, range.minMs - pastMs), maxMs: Math.max(range.maxMs, this.#api.clock.nowMs()) };
    if (!(await this.#exists(group, past))) return this.#explainMatchers(group, past);
    if (await this.#isHistogram(group, past)) return `${printSelector([group])} is a native histogram; in MetricsQL its series have names that end in _bucket, _sum and _count`;
    // The index tells days apart, not hours; that nothing was read tells the rest.
    const { stats } = this.#query;
    if ((stats === undefined || stats.samplesScanned > 0) && (await this.#exists(group, range))) return undefined;
    return this.#explainTime(group, range, past);
  }

  /** Whether there is nothing but native histograms, which MetricsQL sees under other names. */
  async #isHistogram(group: Group, range: TimeRange): Promise<boolean> {
    if (this.#query.dialect !== "metricsql" || group.some(({ name }) => name === histogramLabel)) return false;
    return !(await this.#exists([...group, { name: histogramLabel, op: "=", value: "" }], range));
  }

  async #explainTime(group: Group, range: TimeRange, past: TimeRange): Promise<string> {
    const missing = `${printSelector([group])} has no samples from ${printTime(range.minMs)} to ${printTime(range.maxMs)}`;
    const lastMs = await this.#lastSampleMs(group, { minMs: past.minMs, maxMs: range.minMs });
    if (lastMs !== undefined) return `${missing}; the last one before was at ${printTime(lastMs)}`;
    return (await this.#exists(group, { minMs: range.maxMs + 1, maxMs: past.maxMs })) ? `${missing}; there are samples after that` : missing;
  }

  /** When there was a sample last; undefined if that is not found soon. */
  async #lastSampleMs(group: Group, { minMs, maxMs }: TimeRange): Promise<number | undefined> {
    const query = `max(tlast_over_time(${printSelector([group])}[${2 * dayMs}ms]))`;
    const { enforcedFilters } = this.#query;
    const signal = AbortSignal.any([this.#query.signal, this.#ended.signal]);
    if (!(await this.#exists(group, { minMs, maxMs }))) return undefined;
    // The latest day on which the index knows of samples is between two times that come closer.
    let [earlyMs, lateMs] = [minMs, maxMs];
    while (lateMs - earlyMs > dayMs) {
      const middleMs = Math.ceil((earlyMs + lateMs) / 2);
      if (await this.#exists(group, { minMs: middleMs, maxMs: lateMs })) earlyMs = middleMs;
      else lateMs = middleMs;
    }
    for (const timeMs of [Math.min(lateMs + dayMs, maxMs), lateMs, earlyMs]) {
      const request = { tenant: defaultTenant, dialect: "metricsql" as const, query, seriesLimit: 0, enforcedFilters, lookbackMs: 0, roundDigits: undefined, isTraced: false, signal };
      const { body } = await this.#api.queryRunner.instant({ ...request, timeMs, stepMs: 60_000 });
      const { data } = JSON.parse(Buffer.from(body).toString()) as { data: { result: readonly { value: readonly [number, string] }[] } };
      if (data.result.length > 0) return Math.round(Number(data.result[0].value[1]) * 1000);
    }
    return undefined;
  }

  async #explainMatchers(group: Group, range: TimeRange): Promise<string> {
    const name = group.find((matcher) => matcher.name === metricNameLabel && matcher.op === "=");
    if (name !== undefined && !(await this.#exists([name], range))) {
      const nearest = await this.#nearestMetric(name.value, range);
      return `there is no metric ${JSON.stringify(name.value)}${nearest === undefined ? "" : `; did you mean ${JSON.stringify(nearest)}?`}`;
    }
    const base = name === undefined ? [] : [name];
    const others = group.filter((matcher) => matcher !== name).slice(0, matchersMax);
    for (const matcher of others) if (!(await this.#exists([...base, matcher], range))) return this.#explainMatcher(matcher, base, range);
    return `no series matches all of ${printSelector([group])} at once, though each of its filters matches some`;
  }

  /** `matcher` alone leaves none of the series that `base` picks. */
  async #explainMatcher(matcher: Matcher, base: Group, range: TimeRange): Promise<string> {
    const subject = base.length === 0 ? "no series" : `no series of ${base[0].value}`;
    const filter = printMatcher(matcher);
    if (matcher.op === "!=" || matcher.op === "!~") return `${subject} is left by ${filter}`;
    const names = await this.#api.store.labelNames(this.#request(base, range));
    if (!names.includes(matcher.name)) {
      const nearest = nearestName(matcher.name, names);
      return `${subject} has the label ${JSON.stringify(matcher.name)}${nearest === undefined ? "" : `; did you mean ${JSON.stringify(nearest)}?`}`;
    }
    const values = await this.#values(matcher.name, base, range);
    const nearest = await this.#nearest(matcher.op === "=" ? matcher.value : matcher.value.replace(/\.[*+]\??|[\^$()\\]/g, ""), values);
    const known = values.slice(0, shownValuesMax).map((value) => JSON.stringify(value)).join(", ");
    const advice = nearest === undefined ? `it is one of ${known}${values.length > shownValuesMax ? ", ..." : ""}` : `did you mean ${matcher.name}=${JSON.stringify(nearest)}?`;
    return `${subject} has ${filter}; ${advice}`;
  }

  /** Of very many metrics those are looked at that begin alike, before some others. */
  async #nearestMetric(wanted: string, range: TimeRange): Promise<string | undefined> {
    for (const length of [Math.ceil(wanted.length / 2), prefixLength, 0]) {
      const begin = wanted.slice(0, length).replace(/[^\w:]/g, ".");
      const group: Group = begin === "" ? [] : [{ name: metricNameLabel, op: "=~", value: `${begin}.*` }];
      const nearest = await this.#nearest(wanted, await this.#values(metricNameLabel, group, range));
      if (nearest !== undefined) return nearest;
    }
    return undefined;
  }

  async #exists(group: Group, range: TimeRange): Promise<boolean> {
    await nextTurn();
    this.#ended.signal.throwIfAborted();
    // Names of labels are found in the first few series, values of a label may have to be looked for.
    return (await this.#api.store.labelNames({ ...this.#request(group, range), limit: 1 })).length > 0;
  }

  #values(label: string, group: Group, range: TimeRange): Promise<string[]> {
    return this.#api.store.labelValues(label, this.#request(group, range));
  }

  #request(group: Group, range: TimeRange): LabelsRequest {
    const { enforcedFilters, signal } = this.#query;
    return { tenant: defaultTenant, selector: enforcedFilters.map((filters) => [...group, ...filters]), range, limit: namesMax, signal };
  }

  /** The nearest of many names, in slices that hold nobody up. */
  async #nearest(wanted: string, names: readonly string[]): Promise<string | undefined> {
    let nearest: string | undefined;
    for (let from = 0; from < names.length && !this.#ended.signal.aborted; from += namesPerTurn) {
      const slice = names.slice(from, from + namesPerTurn);
      nearest = nearestName(wanted, nearest === undefined ? slice : [nearest, ...slice]);
      if (from + namesPerTurn < names.length) await nextTurn();
    }
    if (nearest !== undefined || wanted.length < partLengthMin) return nearest;
    const longer = names.filter((name) => name.includes(wanted));
    return longer.toSorted((left, right) => left.length - right.length)[0];
  }
}

function printMatcher({ name, op, value }: Matcher): string {
  return `${name}${op}${JSON.stringify(value)}`;
}

function printTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
