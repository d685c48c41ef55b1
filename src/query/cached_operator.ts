/**
 * CachedOperator: a part of a plan whose columns are taken from the ResultCache as far as they are there and still right, and evaluated for
 * the rest of the grid.
 *
 * Points are taken only if a full evaluation would give the same. Three things can come in between, and then the whole grid is evaluated:
 *
 * - Something was written at the times that the kept points were made from: points before that are still right.
 * - The full evaluation would not see a sample that the kept points were made with, because its grid begins within a gap of some series.
 * - A series that had ended goes on: then its last windows before are no longer empty.
 *
 * How far a value reaches that has no window of its own is estimated from the last 20 intervals of a series, by each evaluation. So after a change of
 * the scrape interval kept points may show the estimate of before.
 */
import type { CacheablePlan } from "./cacheable_plan.ts";
import { compareLabels } from "../model/labels.ts";
import type { Column } from "./column_pool.ts";
import { endMsOf, type Grid } from "./grid.ts";
import { BlockingOperator, collect, type Operator } from "./operator.ts";
import type { QueryContext } from "./query_context.ts";
import type { JoinRecord, KeptResult, KeptSeries, ResultPlace } from "./result_cache.ts";
import { notedMax, type TimeSpan, SampleWatch } from "./sample_watch.ts";
import { labelsKey, type Series } from "./series.ts";

export interface CachedOperatorOptions {
  readonly context: QueryContext;
  readonly place: ResultPlace;
  readonly plan: CacheablePlan;
  /** How much more is read before the first window. */
  readonly silenceMs: number;
  /** The operator on another grid. */
  readonly compile: (grid: Grid, watch: SampleWatch) => Operator;
}

interface Evaluated {
  readonly series: readonly Series[];
  readonly watch: SampleWatch;
}

interface Tail extends Evaluated {
  /** Of the labels of the series. */
  readonly keys: readonly string[];
}

/** Kept points that may be taken, from the start of the grid to `endMs`. */
interface Usable {
  readonly kept: KeptResult;
  readonly endMs: number;
  /** Up to here the kept points know the samples. */
  readonly knownMs: number;
}

/** With less than this part of the grid, kept points are not worth joining. */
const usableShareMin = 0.2;
/** Queries that are evaluated as a whole at once when new points did not fit again and again. */
const skipsMax = 16;

export class CachedOperator extends BlockingOperator {
  readonly #options: CachedOperatorOptions;
  readonly #grid: Grid;
  readonly #key: string;

  constructor(options: CachedOperatorOptions) {
    super();
    this.#options = options;
    this.#grid = options.place.grid;
    this.#key = options.place.keyPrefix + options.plan.key;
  }

  protected async evaluate(): Promise<readonly Series[]> {
    const { counts } = this.#options.place.cache;
    const { trace } = this.#options.context;
    const usable = this.#usable();
    if (usable === undefined || this.#isInVain(usable)) {
      counts.add("misses");
      trace?.note("result cache: nothing that can be used");
      return this.#evaluateAll(usable?.kept.joins);
    }
    if (usable.endMs === endMsOf(this.#grid)) {
      counts.add("fullHits");
      trace?.note(`result cache: all ${this.#grid.points} points`);
      this.#dependOnKept();
      return this.#taken(usable.kept);
    }
    const tail = await this.#evaluatedTail({ ...this.#grid, startMs: usable.endMs + this.#grid.stepMs, points: pointsBetween(usable.endMs, endMsOf(this.#grid), this.#grid.stepMs) });
    const { joins } = usable.kept;
    if (!this.#fits(usable, tail)) {
      joins.skips = Math.min(skipsMax, 2 ** joins.misfits++);
      for (const { values } of tail.series) this.#options.context.columns.release(values);
      counts.add("misses");
      trace?.note("result cache: the new points do not fit the kept ones");
      return this.#evaluateAll(joins);
    }
    joins.misfits = 0;
    counts.add("partialHits");
    trace?.note(`result cache: all points up to ${usable.endMs} ms`);
    this.#dependOnKept();
    return this.#joined(usable, tail);
  }

  /** What is kept and right of the beginning of the grid. */
  #usable(): Usable | undefined {
    const { place, plan } = this.#options;
    const { startMs, stepMs, points } = this.#grid;
    const kept = place.cache.get(this.#key);
    if (kept === undefined || kept.startMs > startMs || !this.#beginsWell(kept, startMs)) return undefined;
    const changedMs = place.cache.watch.firstChangeMs(kept.epoch, kept.range.minMs, kept.range.maxMs);
    // What the kept points know of samples after the end of the grid, an evaluation of the grid would not.
    let endMs = Math.min(kept.startMs + (kept.points - 1) * stepMs, alignDown(endMsOf(this.#grid) - this.#guardMs, stepMs));
    // Windows, and what is looked at after them, end before the change, and before a gap that the grid ends in: a series that goes on later has ended there.
    const rightMs = Math.min(changedMs - this.#guardMs, this.#openGapMs(kept)) + plan.offsetMs - 1;
    if (rightMs < endMs) endMs = alignDown(rightMs, stepMs);
    // A single point is evaluated as an instant query would be.
    if (endMsOf(this.#grid) - endMs === stepMs) endMs -= stepMs;
    if (endMs < startMs + points * usableShareMin * stepMs) return undefined;
    return endMs < endMsOf(this.#grid) && !this.#beginsWell(kept, endMs + stepMs) ? undefined : { kept, endMs, knownMs: Math.min(kept.range.maxMs, changedMs) };
  }

  /** Where the first gap begins that the grid ends in. */
  #openGapMs(kept: KeptResult): number {
    const lastMs = endMsOf(this.#grid) - this.#options.plan.offsetMs;
    return kept.gaps.reduce((firstMs, { fromMs, toMs }) => (toMs > lastMs && fromMs < lastMs ? Math.min(firstMs, fromMs) : firstMs), Infinity);
  }

  /** How long before the end of what is read points may still change when the series goes on. */
  get #guardMs(): number {
    return this.#options.plan.seesNeighbours ? this.#options.silenceMs : 0;
  }

  /**
   * Whether an evaluation that begins at `startMs` sees the same neighbours and estimates the same intervals: its reading does not begin within a gap
   * that a window touches, nor at the end of a series.
   */
  #beginsWell(kept: KeptResult, startMs: number): boolean {
    const { plan } = this.#options;
    const beforeMs = this.#beforeMs;
    const windowMs = plan.windowMs > 0 ? plan.windowMs : beforeMs;
    const timeMs = startMs - plan.offsetMs;
    const readMs = timeMs - beforeMs;
    if (kept.gaps.some(({ fromMs, toMs }) => fromMs < readMs && toMs > timeMs - windowMs)) return false;
    return !kept.unsettled.some(({ fromMs, toMs }) => fromMs < readMs && toMs >= readMs);
  }

  /** Whether the kept points are those of an evaluation that would have seen what the tail has seen. */
  #fits({ kept, endMs, knownMs }: Usable, { watch, series, keys }: Tail): boolean {
    const lastMs = endMs - this.#options.plan.offsetMs;
    if (new Set(keys).size < series.length) return false;
    if (watch.isTooMuch || watch.gaps.some(({ fromMs, toMs }) => fromMs < lastMs && toMs > knownMs)) return false;
    for (const key of watch.started) if (kept.ended.has(key)) return false;
    return true;
  }

  /** Whether new points did not fit lately. */
  #isInVain({ kept: { joins }, endMs }: Usable): boolean {
    if (joins.skips === 0 || endMs === endMsOf(this.#grid)) return false;
    joins.skips--;
    return true;
  }

  async #evaluateAll(joins: JoinRecord = { misfits: 0, skips: 0 }): Promise<readonly Series[]> {
    const all = await this.#evaluated({ ...this.#grid });
    this.#keep(all.watch, all.series.map(({ labels, values }, i) => ({ labels, key: "", values, span: all.watch.spans[i] })), this.#grid.startMs, undefined, joins);
    return all.series;
  }

  async #evaluated(grid: Grid): Promise<Evaluated> {
    const { context, plan, place, compile } = this.#options;
    const watch = new SampleWatch(context.kernel, { silenceMs: this.#guardMs, finalMs: place.ticket.finalMs, keepsSpans: !plan.isAggregate }, (size) => context.columns.reserve(size));
    return { series: await collect(compile(grid, watch)), watch };
  }

  /** The answer depends on the samples of the whole grid, although not all were read now. */
  #dependOnKept(): void {
    const fromMs = this.#grid.startMs - this.#options.plan.offsetMs;
    this.#options.context.dependOn({ minMs: fromMs - this.#beforeMs, maxMs: endMsOf(this.#grid) - this.#options.plan.offsetMs });
  }

  async #evaluatedTail(grid: Grid): Promise<Tail> {
    const tail = await this.#evaluated(grid);
    return { ...tail, keys: tail.series.map(({ labels }) => labelsKey(labels)) };
  }

  /** Kept columns, cut to the grid. */
  #taken(kept: KeptResult): Series[] {
    const { context } = this.#options;
    const { startMs, stepMs, points } = this.#grid;
    const from = (startMs - kept.startMs) / stepMs;
    const taken: Series[] = [];
    for (const { labels, values, span } of kept.series) {
      const column = context.columns.allocate(points);
      column.set(values.subarray(from, from + points));
      this.#addIfFound(taken, { labels, values: column }, span);
    }
    return taken;
  }

  /** Adds a series if an evaluation of the grid would have it: it has a value, or at least samples where it is looked for. */
  #addIfFound(target: Series[], series: Series, span: TimeSpan | undefined): void {
    const { context, plan } = this.#options;
    const fromMs = this.#grid.startMs - plan.offsetMs - this.#beforeMs;
    const isFound = (span !== undefined && span.toMs >= fromMs && span.fromMs <= endMsOf(this.#grid) - plan.offsetMs) || !context.isEmpty(series.values);
    if (isFound) target.push(series);
    else context.columns.release(series.values);
  }

  #joined(usable: Usable, tail: Tail): Series[] {
    const { kept, endMs } = usable;
    const { startMs, stepMs } = this.#grid;
    const takenPoints = pointsBetween(startMs, endMs, stepMs) + 1;
    const from = (startMs - kept.startMs) / stepMs;
    const before = new Map(kept.series.map((series) => [series.key, series]));
    const after = new Map(tail.series.map(({ labels, values }, i) => [tail.keys[i], { labels, values, span: tail.watch.spans[i] }]));
    const all = mergedOrder(before, after).map((key): KeptSeries => {
      const [old, fresh] = [before.get(key), after.get(key)];
      const values = this.#joinedColumn(old?.values.subarray(from, from + takenPoints), fresh?.values, takenPoints);
      return { labels: old?.labels ?? fresh?.labels ?? [], key, values, span: spanOf(old?.span, fresh?.span) };
    });
    this.#keep(tail.watch, all, startMs, usable, kept.joins);
    const joined: Series[] = [];
    for (const { labels, values, span } of all) this.#addIfFound(joined, { labels, values }, span);
    return joined;
  }

  /** A column of the grid: kept values, and behind them those of the tail, whose column is released. */
  #joinedColumn(before: Float64Array | undefined, after: Column | undefined, takenPoints: number): Column {
    const { columns } = this.#options.context;
    const values = columns.allocate(this.#grid.points);
    if (before === undefined) values.fill(NaN, 0, takenPoints);
    else values.set(before);
    if (after === undefined) values.fill(NaN, takenPoints);
    else {
      values.set(after, takenPoints);
      columns.release(after);
    }
    return values;
  }

  /** Keeps the final ones of the grid's points, behind those of before. Series without a key get theirs. */
  #keep(watch: SampleWatch, series: readonly KeptSeries[], startMs: number, before: Usable | undefined, joins: JoinRecord): void {
    const { context, place, plan } = this.#options;
    const { stepMs } = this.#grid;
    const finalMs = Math.min(place.ticket.finalMs + plan.offsetMs, endMsOf(this.#grid) - this.#guardMs);
    const keptEndMs = alignDown(finalMs, stepMs);
    if (before !== undefined && keptEndMs <= before.endMs) return;
    if (keptEndMs < startMs || context.isPartial || watch.isTooMuch) return;
    const points = pointsBetween(startMs, keptEndMs, stepMs) + 1;
    if (!place.cache.takes(series.length * points * 8)) return;
    const keyed = series.map(({ labels, key, values, span }) => ({ labels, key: key === "" ? labelsKey(labels) : key, values: values.slice(0, points), span }));
    if (new Set(keyed.map(({ key }) => key)).size < keyed.length) return;
    const fromMs = startMs - plan.offsetMs - this.#beforeMs;
    const filled = keyed.filter(({ values, span }) => (span !== undefined && span.toMs >= fromMs) || values.some((value) => !Number.isNaN(value)));
    const seen = before === undefined ? { range: watch.range, ended: watch.ended, gaps: watch.gaps, unsettled: watch.unsettled } : this.#seenTogether(before, watch, startMs);
    if (seen.ended.size + seen.gaps.length + seen.unsettled.length > notedMax) place.cache.delete(this.#key);
    else place.cache.set(this.#key, { startMs, points, series: filled, epoch: place.ticket.epoch, joins, ...seen });
  }

  /** What the kept evaluation and the one of the tail have seen, as far as it matters from `startMs` on. */
  #seenTogether({ kept, knownMs }: Usable, watch: SampleWatch, startMs: number): Pick<KeptResult, "range" | "ended" | "gaps" | "unsettled"> {
    const fromMs = startMs - this.#options.plan.offsetMs;
    const isNeeded = ({ toMs }: TimeSpan): boolean => toMs >= fromMs - this.#beforeMs;
    return {
      range: { minMs: Math.max(kept.range.minMs, fromMs - this.#beforeMs), maxMs: watch.range.maxMs },
      ended: new Set([...kept.ended, ...watch.ended]),
      gaps: [...kept.gaps.filter(isNeeded), ...watch.gaps.filter(({ toMs }) => toMs > knownMs)],
      // The kept points do not know of those that ended shortly before the end of what was read.
      unsettled: [...kept.unsettled.filter(isNeeded), ...watch.unsettled.filter(({ toMs }) => toMs >= knownMs - this.#guardMs)],
    };
  }

  /** How long before the start of a grid its reading begins. */
  get #beforeMs(): number {
    return Math.max(this.#options.plan.windowMs, this.#grid.stepMs) + this.#guardMs;
  }
}

interface Labelled {
  readonly labels: Series["labels"];
}

/** The keys of both in the order of the Store: by labels if both are sorted by them, else in one that agrees with both. */
function mergedOrder(before: ReadonlyMap<string, Labelled>, after: ReadonlyMap<string, Labelled>): readonly string[] {
  const isNew = [...after.keys()].some((key) => !before.has(key));
  if (!isNew) return [...before.keys()];
  if (isSorted(before) && isSorted(after)) {
    return [...new Map([...before, ...after])].sort(([, a], [, b]) => compareLabels(a.labels, b.labels)).map(([key]) => key);
  }
  const rest = new Set(before.keys());
  const merged: string[] = [];
  for (const key of after.keys()) {
    if (rest.has(key)) {
      for (const earlier of rest) {
        merged.push(earlier);
        rest.delete(earlier);
        if (earlier === key) break;
      }
    } else if (!before.has(key)) merged.push(key);
  }
  return [...merged, ...rest];
}

function isSorted(series: ReadonlyMap<string, Labelled>): boolean {
  let previous: Labelled | undefined;
  for (const one of series.values()) {
    if (previous !== undefined && compareLabels(previous.labels, one.labels) > 0) return false;
    previous = one;
  }
  return true;
}

/** From the first to the last sample of both. */
function spanOf(before: TimeSpan | undefined, after: TimeSpan | undefined): TimeSpan | undefined {
  if (before === undefined || after === undefined) return before ?? after;
  return { fromMs: Math.min(before.fromMs, after.fromMs), toMs: Math.max(before.toMs, after.toMs) };
}

/** Steps from one point to a later one. */
function pointsBetween(fromMs: number, toMs: number, stepMs: number): number {
  return Math.round((toMs - fromMs) / stepMs);
}

function alignDown(timeMs: number, stepMs: number): number {
  return Math.floor(timeMs / stepMs) * stepMs;
}
