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
import { parseExpr } from "../metricsql/parser.ts";
import { defaultTenant, type Tenant } from "../model/matcher.ts";
import type { Store } from "../model/store.ts";
import { compilePlan } from "./compile.ts";
import { type Grid, gridBetween } from "./grid.ts";
import { checkLimit, defaultQueryLimits, type QueryLimits } from "./limits.ts";
import { collect } from "./operator.ts";
import { explainPlan, type Plan } from "./plan.ts";
import { isSubquery, planQuery, planSelector } from "./planner.ts";
import { QueryContext } from "./query_context.ts";
import type { QueryResult, ResultSeries } from "./result.ts";
import { compareSeriesLabels, labelsKey, printLabels, type Series } from "./series.ts";

export interface EngineOptions {
  readonly store: Store;
  /** Private to the engine (and to the Store, for what it decodes). */
  readonly kernel: Kernel;
  readonly nowMs: () => number;
  /** For the execution time; nowMs without it. */
  readonly monotonicMs?: () => number;
  readonly limits?: Partial<QueryLimits>;
}

interface QueryOptions {
  readonly query: string;
  /** How far a value may reach (max_lookback); the limit -search.maxStalenessInterval without it. */
  readonly lookbackMs?: number;
  readonly signal?: AbortSignal;
  readonly tenant?: Tenant;
}

export interface InstantRequest extends QueryOptions {
  readonly timeMs: number;
  /** What `1i` and a missing window mean; 5 minutes without it. */
  readonly stepMs?: number;
}

export interface RangeRequest extends QueryOptions {
  readonly startMs: number;
  /** Inclusive; see adjustStartEnd for aligning both to the step. */
  readonly endMs: number;
  readonly stepMs: number;
}

const defaultStepMs = 300_000;

export class Engine {
  readonly #store: Store;
  readonly #kernel: Kernel;
  readonly #nowMs: () => number;
  readonly #monotonicMs: () => number;
  readonly #limits: QueryLimits;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: EngineOptions) {
    this.#store = options.store;
    this.#kernel = options.kernel;
    this.#nowMs = options.nowMs;
    this.#monotonicMs = options.monotonicMs ?? options.nowMs;
    this.#limits = { ...defaultQueryLimits, ...options.limits };
  }

  /** The value of a query at one time; `m[5m]` gives raw samples and `q[1h:5m]` the points of the subquery. */
  async instant(request: InstantRequest): Promise<QueryResult> {
    const stepMs = request.stepMs ?? defaultStepMs;
    if (!(stepMs > 0)) throw new InputError("bad_step", `step must be positive, found ${stepMs} ms`);
    const expr = parseExpr(request.query);
    if (expr.kind === "rollup" && expr.window !== undefined) return this.#instantWindow(request, expr, stepMs);
    const plan = planQuery(expr);
    const grid = { startMs: request.timeMs, stepMs, points: 1 };
    return this.#run(request, async (context) => this.#evaluate(context, grid, plan, "vector", keepsOrder(expr)));
  }

  /** The values of a query at startMs, startMs + stepMs and so on up to endMs. */
  async range(request: RangeRequest): Promise<QueryResult> {
    const { startMs, endMs, stepMs } = request;
    if (!(stepMs > 0)) throw new InputError("bad_step", `step must be positive, found ${stepMs} ms`);
    if (!(startMs <= endMs)) throw new InputError("bad_range", `end must not be before start, found ${startMs} to ${endMs} ms`);
    const expr = parseExpr(request.query);
    const plan = planQuery(expr);
    const grid = this.#rangeGrid(startMs, endMs, stepMs);
    return this.#run(request, async (context) => this.#evaluate(context, grid, plan, "matrix", keepsOrder(expr)));
  }

  /** The logical plan of a query as text. */
  explain(query: string): string {
    return explainPlan(planQuery(parseExpr(query)));
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
    const found = await this.#store.search({
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
    if (found.isPartial()) context.isPartial = true;
    series.sort((a, b) => compareSeriesLabels(a.labels, b.labels));
    return { resultType: "matrix", timestampsMs: new Float64Array(), series, isPartial: context.isPartial, stats: context.stats };
  }

  async #evaluate(context: QueryContext, grid: Grid, plan: Plan, resultType: "vector" | "matrix", isOrdered: boolean): Promise<QueryResult> {
    const all = await collect(compilePlan(context, grid, plan));
    const some = all.filter((series) => !context.isEmpty(series.values));
    refuseDuplicates(some);
    if (!isOrdered) some.sort((a, b) => compareSeriesLabels(a.labels, b.labels));
    const values = new Float64Array(some.length * grid.points);
    some.forEach((series, i) => values.set(series.values, i * grid.points));
    return {
      resultType,
      timestampsMs: Float64Array.from({ length: grid.points }, (_, i) => grid.startMs + i * grid.stepMs),
      series: some.map(({ labels }, i) => ({ labels, values: values.subarray(i * grid.points, (i + 1) * grid.points) })),
      isPartial: context.isPartial,
      stats: context.stats,
    };
  }

  /** Runs `body` when all queries before have ended, in fresh memory. */
  #run(request: QueryOptions, body: (context: QueryContext) => Promise<QueryResult>): Promise<QueryResult> {
    const run = async (): Promise<QueryResult> => {
      request.signal?.throwIfAborted();
      const startedMs = this.#monotonicMs();
      const mark = this.#kernel.mark();
      const context = new QueryContext({
        kernel: this.#kernel,
        store: this.#store,
        tenant: request.tenant ?? defaultTenant,
        limits: this.#limits,
        lookbackMs: request.lookbackMs ?? this.#limits.maxStalenessIntervalMs,
        nowMs: this.#nowMs(),
        signal: request.signal,
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

/** The same labels twice in an answer would be two series under one name. */
function refuseDuplicates(series: readonly Series[]): void {
  const seen = new Set<string>();
  for (const { labels } of series) {
    const key = labelsKey(labels);
    if (seen.has(key)) throw new InputError("duplicate_series", `the answer has several series with the labels ${printLabels(labels)}`);
    seen.add(key);
  }
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

