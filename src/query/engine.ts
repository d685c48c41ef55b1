/**
 * Engine: answers queries over any Store.
 *
 *   text -> parseExpr -> planQuery -> compilePlan -> operators -> QueryResult
 *
 * An engine has one kernel and runs one query at a time; further ones wait. All columns of a query live in the kernel's memory and are
 * gone when it ends, so results are copied out.
 */
import { InputError } from "../base/errors.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Expr, RollupExpr } from "../metricsql/ast.ts";
import { durationMs } from "../metricsql/duration.ts";
import { labelTableOf, orderLabelTable } from "../model/label_table.ts";
import { defaultTenant, type Tenant } from "../model/matcher.ts";
import { copyColumn } from "./column_pool.ts";
import { compilePlan } from "./compile.ts";
import { type Grid, gridBetween, timesOf } from "./grid.ts";
import { checkLimit, defaultQueryLimits, type QueryLimits } from "./limits.ts";
import { collect } from "./operator.ts";
import { explainPlan, type Plan } from "./plan.ts";
import { PlanCache, type PlannedQuery } from "./plan_cache.ts";
import { isSubquery, planQuery, planSelector } from "./planner.ts";
import { QueryContext } from "./query_context.ts";
import type { QueryTrace } from "./query_trace.ts";
import { GridSeries, type QueryResult, type ResultSeries } from "./result.ts";
import type { ResultCache, ResultPlace } from "./result_cache.ts";
import { orderSeries } from "./series_order.ts";
import { type SearchedStore, traceStore } from "./traced_store.ts";
import { WindowMisfitError, type WindowPlace } from "./window_place.ts";

export interface EngineOptions {
  readonly store: SearchedStore;
  /** Private to the engine (and to the Store, for what it decodes). */
  readonly kernel: Kernel;
  readonly nowMs: () => number;
  /** For the execution time; nowMs without it. */
  readonly monotonicMs?: () => number;
  readonly limits?: Partial<QueryLimits>;
  /**
   * Called between pieces of work. On a thread that messages cancel queries of, it gives a promise now and then, for as long as the thread needs to hear of
   * them: reading files and evaluating do not wait for anything. Without it a query is not interrupted.
   */
  readonly takeTurn?: () => Promise<void> | undefined;
  /** Columns of earlier range queries; each query is evaluated as a whole without it. */
  readonly results?: ResultCache | undefined;
}

interface QueryOptions {
  readonly query: string;
  /** How far a value may reach (max_lookback); the limit -search.maxStalenessInterval without it. */
  readonly lookbackMs?: number;
  readonly signal?: AbortSignal;
  readonly tenant?: Tenant;
  /** Told what is done. */
  readonly trace?: QueryTrace | undefined;
}

export interface InstantRequest extends QueryOptions {
  readonly timeMs: number;
  /** What `1i` and a missing window mean; 5 minutes without it. */
  readonly stepMs?: number;
  /** Whether samples of earlier queries are not to be used, and those of this one not to be kept. */
  readonly skipsCaches?: boolean | undefined;
}

export interface RangeRequest extends QueryOptions {
  readonly startMs: number;
  /** Inclusive; see adjustStartEnd for aligning both to the step. */
  readonly endMs: number;
  readonly stepMs: number;
  /** Whether earlier results are not to be used, and this one not to be kept. */
  readonly skipsCaches?: boolean | undefined;
}

const defaultStepMs = 300_000;

export class Engine {
  readonly #plans = new PlanCache();
  readonly #store: SearchedStore;
  readonly #kernel: Kernel;
  readonly #nowMs: () => number;
  readonly #monotonicMs: () => number;
  readonly #limits: QueryLimits;
  readonly #takeTurn: (() => Promise<void> | undefined) | undefined;
  readonly #results: ResultCache | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: EngineOptions) {
    this.#store = options.store;
    this.#kernel = options.kernel;
    this.#nowMs = options.nowMs;
    this.#monotonicMs = options.monotonicMs ?? options.nowMs;
    this.#limits = { ...defaultQueryLimits, ...options.limits };
    this.#takeTurn = options.takeTurn;
    this.#results = options.results;
  }

  /** The value of a query at one time; `m[5m]` gives raw samples and `q[1h:5m]` the points of the subquery. */
  async instant(request: InstantRequest): Promise<QueryResult> {
    const stepMs = request.stepMs ?? defaultStepMs;
    if (!(stepMs > 0)) throw new InputError("bad_step", `step must be positive, found ${stepMs} ms`);
    const query = this.#plans.get(request.query);
    const { expr } = query;
    if (expr.kind === "rollup" && expr.window !== undefined) return this.#instantWindow(request, expr, stepMs);
    const { plan } = query;
    const grid = { startMs: request.timeMs, stepMs, points: 1 };
    const evaluate = (context: QueryContext): Promise<QueryResult> => this.#evaluate(context, grid, plan, "vector", keepsOrder(expr));
    if (request.skipsCaches === true) return this.#run(request, evaluate);
    try {
      return await this.#run(request, evaluate, { windowPlace: this.#windowPlace(request) });
    } catch (error) {
      if (!(error instanceof WindowMisfitError)) throw error;
      return this.#run(request, evaluate);
    }
  }

  /** The values of a query at startMs, startMs + stepMs and so on up to endMs. */
  async range(request: RangeRequest): Promise<QueryResult> {
    const { startMs, endMs, stepMs } = request;
    if (!(stepMs > 0)) throw new InputError("bad_step", `step must be positive, found ${stepMs} ms`);
    if (!(startMs <= endMs)) throw new InputError("bad_range", `end must not be before start, found ${startMs} to ${endMs} ms`);
    const { expr, plan } = this.#plans.get(request.query);
    const grid = this.#rangeGrid(startMs, endMs, stepMs);
    const isKept = request.skipsCaches !== true && startMs % stepMs === 0 && grid.points >= keptPointsMin;
    return this.#run(request, async (context) => this.#evaluate(context, grid, plan, "matrix", keepsOrder(expr)), isKept ? { resultPlace: this.#resultPlace(request, grid) } : {});
  }

  /** The logical plan of a query as text. */
  explain(query: string): string {
    return explainPlan(this.#plans.get(query).plan);
  }

  /** A query as it is evaluated. Throws InputError when the text cannot be parsed. */
  planned(query: string): PlannedQuery {
    return this.#plans.get(query);
  }

  #rangeGrid(startMs: number, endMs: number, stepMs: number): Grid {
    const grid = gridBetween(startMs, endMs, stepMs);
    checkLimit("too_many_points", "points per series", grid.points, this.#limits.pointsPerSeriesMax, "search.maxPointsPerTimeseries");
    return grid;
  }

  /** A query of the form `x[w]`, `x[w:s] offset o`, `x[w] @ t`. */
  #instantWindow(request: InstantRequest, expr: RollupExpr, stepMs: number): Promise<QueryResult> {
    const windowMs = expr.window === undefined ? 0 : durationMs(expr.window, stepMs);
    const offsetMs = expr.offset === undefined ? 0 : durationMs(expr.offset, stepMs);
    if (windowMs <= 0) throw new InputError("bad_window", `a window must be positive, found ${expr.window?.text ?? ""}`, { offset: expr.position });
    const at = expr.at === undefined ? undefined : planQuery(expr.at);
    const inner = planQuery(expr.inner);
    return this.#run(request, async (context) => {
      const endMs = (at === undefined ? request.timeMs : await this.#timeOf(context, request.timeMs, stepMs, at)) - offsetMs;
      if (expr.inner.kind === "selector" && !isSubquery(expr)) return this.#rawSamples(context, expr.inner, endMs - windowMs, endMs);
      const innerStepMs = expr.step === undefined ? stepMs : durationMs(expr.step, stepMs) || stepMs;
      if (innerStepMs < 0) throw new InputError("bad_step", "the step of a subquery must not be negative", { offset: expr.position });
      return this.#evaluate(context, this.#rangeGrid(endMs - windowMs, endMs, innerStepMs), inner, "matrix", keepsOrder(expr.inner));
    });
  }

  async #timeOf(context: QueryContext, timeMs: number, stepMs: number, at: Plan): Promise<number> {
    const found = await collect(compilePlan(context, { startMs: timeMs, stepMs, points: 1 }, at));
    if (found.length !== 1 || Number.isNaN(found[0].values[0])) throw new InputError("bad_at", `@ needs a single time, found ${found.length} series`);
    return Math.trunc(found[0].values[0] * 1000);
  }

  /** Samples of (fromMs, toMs], as they are stored but for stale markers. */
  async #rawSamples(context: QueryContext, selector: Expr & { kind: "selector" }, fromMs: number, toMs: number): Promise<QueryResult> {
    const { limits, signal, tenant } = context;
    const found = await context.store.search({
      tenant,
      selector: planSelector(selector).selector,
      range: { minMs: fromMs + 1, maxMs: toMs },
      budget: { seriesMax: limits.seriesMax, samplesMax: limits.samplesMax },
      viewsHistograms: true,
      ...(signal === undefined ? {} : { signal }),
    });
    const series: ResultSeries[] = [];
    for await (const batch of found.batches) {
      context.countRead(batch.seriesCount, batch.sampleFrom[batch.seriesCount]);
      for (let i = 0; i < batch.seriesCount; i++) {
        const times = batch.timestampsMs.slice(batch.sampleFrom[i], batch.sampleFrom[i + 1]);
        const values = batch.values.slice(batch.sampleFrom[i], batch.sampleFrom[i + 1]);
        const kept = { values: values.filter((v) => !Number.isNaN(v)), timestampsMs: times.filter((_, k) => !Number.isNaN(values[k])) };
        if (kept.values.length > 0) series.push({ labels: batch.labels(i), ...kept });
      }
    }
    checkLimit("too_many_series", "series in the answer", series.length, limits.responseSeriesMax, "search.maxResponseSeries");
    if (found.isPartial()) context.isPartial = true;
    const table = labelTableOf(series.map(({ labels }) => labels));
    const ordered = Array.from(orderLabelTable(table, true).order, (position) => series[position]);
    return { resultType: "matrix", timestampsMs: new Float64Array(), series: ordered, isPartial: context.isPartial, readRange: context.readRange, stats: context.stats };
  }

  async #evaluate(context: QueryContext, grid: Grid, plan: Plan, resultType: "vector" | "matrix", isOrdered: boolean): Promise<QueryResult> {
    const all = await collect(compilePlan(context, grid, plan));
    const found = all.filter((series) => !context.isEmpty(series.values));
    checkLimit("too_many_series", "series in the answer", found.length, this.#limits.responseSeriesMax, "search.maxResponseSeries");
    const { series: some, table } = orderSeries(found, isOrdered);
    const values = new Float64Array(some.length * grid.points);
    some.forEach((series, i) => copyColumn(series.values, values, i * grid.points));
    return {
      resultType,
      timestampsMs: timesOf(grid),
      series: some.map(({ labels }, i) => new GridSeries(labels, values, i * grid.points, grid.points)),
      values,
      table,
      isPartial: context.isPartial,
      readRange: context.readRange,
      stats: context.stats,
    };
  }

  #resultPlace(request: QueryOptions, grid: Grid): (() => ResultPlace) | undefined {
    const cache = this.#results;
    const keyPrefix = `${tenantKey(request)} ${grid.stepMs} ${request.lookbackMs ?? ""} `;
    return cache === undefined ? undefined : () => ({ cache, ticket: cache.begin(this.#nowMs()), grid, keyPrefix });
  }

  #windowPlace(request: QueryOptions): (() => WindowPlace) | undefined {
    const cache = this.#results;
    return cache === undefined ? undefined : () => ({ cache, keyPrefix: `${tenantKey(request)} `, nowMs: this.#nowMs() });
  }

  /** Runs `body` when all queries before have ended, in fresh memory. */
  #run(request: QueryOptions, body: (context: QueryContext) => Promise<QueryResult>, { resultPlace, windowPlace }: KeptPlaces = {}): Promise<QueryResult> {
    const run = async (): Promise<QueryResult> => {
      request.signal?.throwIfAborted();
      const startedMs = this.#monotonicMs();
      const mark = this.#kernel.mark();
      const context = new QueryContext({
        kernel: this.#kernel,
        store: request.trace === undefined ? this.#store : traceStore(this.#store, request.trace),
        tenant: request.tenant ?? defaultTenant,
        limits: this.#limits,
        lookbackMs: request.lookbackMs ?? this.#limits.maxStalenessIntervalMs,
        nowMs: this.#nowMs(),
        signal: request.signal,
        trace: request.trace,
        takeTurn: this.#takeTurn,
        resultPlace: resultPlace?.(),
        windowPlace: windowPlace?.(),
      });
      try {
        return await body(context);
      } finally {
        await context.close();
        context.stats.memoryBytes = context.columns.bytesHeld;
        context.stats.executionTimeMs = this.#monotonicMs() - startedMs;
        if (this.#kernel.mark() > mark) this.#kernel.reset(mark);
      }
    };
    const result = this.#last.then(run, run);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

/** Where a query may keep what it finds; made when its turn has come. */
interface KeptPlaces {
  readonly resultPlace?: (() => ResultPlace) | undefined;
  readonly windowPlace?: (() => WindowPlace) | undefined;
}

/** Grids with fewer points are not worth keeping. */
const keptPointsMin = 4;

function tenantKey({ tenant: { accountId, projectId } = defaultTenant }: QueryOptions): string {
  return `${accountId}:${projectId}`;
}

const orderedFunctions: ReadonlySet<string> = new Set([
  "sort", "sort_desc", "limit_offset", "sort_by_label", "sort_by_label_desc", "sort_by_label_numeric", "sort_by_label_numeric_desc",
]);
const orderedAggregates = /^(?:topk|bottomk|outliersk)(?:_|$)/;

/** Whether the outermost operation decides the order of the answer; all others are sorted by labels. */
function keepsOrder(expr: Expr): boolean {
  switch (expr.kind) {
    case "function":
      return orderedFunctions.has(expr.name);
    case "aggregate":
      return orderedAggregates.test(expr.name);
    case "binary":
      return expr.op === "or";
    default:
      return false;
  }
}

