/**
 * PromqlEngine: answers PromQL queries over any Store, as Prometheus does. The MetricsQL engine beside it is query/engine.ts.
 *
 *   text -> parseExpr -> checkPromql -> evaluate -> QueryResult
 *
 * The columns of an answer are plain memory. An engine without a kernel may run several queries at the same time.
 */
import { InputError } from "../base/errors.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Expr, RollupExpr } from "../metricsql/ast.ts";
import { parseExpr } from "../metricsql/parser.ts";
import { printExpr } from "../metricsql/printer.ts";
import { checkPromql, promqlType } from "../metricsql/promql_check.ts";
import { labelTableOf, orderLabelTable } from "../model/label_table.ts";
import type { Labels } from "../model/labels.ts";
import { defaultTenant, type Selector, type Tenant } from "../model/matcher.ts";
import type { Store } from "../model/store.ts";
import { type Grid, gridBetween, timesOf } from "../query/grid.ts";
import { checkLimit, defaultQueryLimits, type QueryLimits } from "../query/limits.ts";
import type { QueryResult, ResultSeries } from "../query/result.ts";
import { PromContext } from "./context.ts";
import { evaluate, evaluateRange } from "./evaluator.ts";
import { selectorsOfNumbers } from "./reset_hints.ts";
import { mergeSameLabels, withoutMetadata } from "./series_labels.ts";
import { constantSeries, type PromSeries, type PromValue } from "./vector.ts";

export interface PromqlEngineOptions {
  readonly store: Store;
  readonly nowMs: () => number;
  /** Computes windows, best where the Store decodes into its memory. Queries of one kernel must not run at the same time. */
  readonly kernel?: Kernel;
  /** For the execution time; nowMs without it. */
  readonly monotonicMs?: () => number;
  readonly limits?: Partial<QueryLimits>;
  /** How far a value reaches; 5 minutes without it. */
  readonly lookbackMs?: number;
  /** Step of subqueries that do not name one; 1 minute without it. */
  readonly subqueryStepMs?: number;
}

interface QueryOptions {
  readonly query: string;
  /** Overrides that of the engine. */
  readonly lookbackMs?: number;
  /** Every selector of the query is narrowed by them; `[[]]` leaves them as they are. */
  readonly enforcedFilters?: Selector;
  /** Drops metric names at the end of the query instead of in each operation (feature promql-delayed-name-removal). */
  readonly delaysNameRemoval?: boolean;
  readonly signal?: AbortSignal;
  readonly tenant?: Tenant;
}

export interface PromqlInstantRequest extends QueryOptions {
  readonly timeMs: number;
}

export interface PromqlRangeRequest extends QueryOptions {
  readonly startMs: number;
  /** Inclusive. */
  readonly endMs: number;
  readonly stepMs: number;
}

const defaultLookbackMs = 300_000;
const defaultSubqueryStepMs = 60_000;

export class PromqlEngine {
  readonly #options: PromqlEngineOptions;
  readonly #limits: QueryLimits;
  readonly #startTimes = { wereSeen: false };

  constructor(options: PromqlEngineOptions) {
    this.#options = options;
    this.#limits = { ...defaultQueryLimits, ...options.limits };
  }

  /** The value of a query at one time; a range such as `m[5m]` gives its samples. */
  async instant(request: PromqlInstantRequest): Promise<QueryResult> {
    const expr = parseQuery(request.query);
    const { timeMs } = request;
    const grid: Grid = { startMs: timeMs, stepMs: 1, points: 1 };
    return this.#run(request, expr, { startMs: timeMs, endMs: timeMs, stepMs: 0 }, async (context) => {
      if (expr.kind === "rollup" && promqlType(expr) === "matrix") return rangeResult(context, request.query, expr, grid);
      const value = await evaluate(context, expr, grid);
      return resultOf(context, request.query, value, grid, value.kind, keepsOrder(expr));
    });
  }

  /** The values of a query at startMs, startMs + stepMs and so on up to endMs. */
  async range(request: PromqlRangeRequest): Promise<QueryResult> {
    const { startMs, endMs, stepMs } = request;
    if (!(stepMs > 0)) throw new InputError("bad_step", `step must be positive, found ${stepMs} ms`);
    if (!(startMs <= endMs)) throw new InputError("bad_range", `end must not be before start, found ${startMs} to ${endMs} ms`);
    const expr = parseQuery(request.query);
    const type = promqlType(expr);
    if (type !== "vector" && type !== "scalar") {
      throw new InputError("bad_arguments", `invalid expression type "${type === "matrix" ? "range vector" : type}" for range query, must be Scalar or instant Vector`);
    }
    const grid = gridBetween(startMs, endMs, stepMs);
    checkLimit("too_many_points", "points per series", grid.points, this.#limits.pointsPerSeriesMax, "search.maxPointsPerTimeseries");
    return this.#run(request, expr, { startMs, endMs, stepMs }, async (context) => {
      const value = await evaluate(context, expr, grid);
      return resultOf(context, request.query, value, grid, "matrix", false);
    });
  }

  /** The checked query as text; there is no plan besides it. */
  explain(query: string): string {
    return printExpr(parseQuery(query));
  }

  async #run(
    request: QueryOptions, expr: Expr, bounds: { startMs: number; endMs: number; stepMs: number }, body: (context: PromContext) => Promise<QueryResult>,
  ): Promise<QueryResult> {
    const { store, nowMs, monotonicMs = nowMs, lookbackMs = defaultLookbackMs, subqueryStepMs = defaultSubqueryStepMs } = this.#options;
    const startedMs = monotonicMs();
    const context = new PromContext({
      ...bounds,
      store,
      tenant: request.tenant ?? defaultTenant,
      limits: this.#limits,
      lookbackMs: request.lookbackMs ?? lookbackMs,
      subqueryStepMs,
      enforcedFilters: request.enforcedFilters ?? [[]],
      selectorsOfNumbers: selectorsOfNumbers(expr),
      delaysNameRemoval: request.delaysNameRemoval ?? false,
      startTimes: this.#startTimes,
      kernel: this.#options.kernel,
      signal: request.signal,
      monotonicMs,
    });
    const { kernel } = this.#options;
    const mark = kernel?.mark() ?? 0;
    try {
      return await body(context);
    } finally {
      if (kernel !== undefined && kernel.mark() > mark) kernel.reset(mark);
      context.stats.executionTimeMs = monotonicMs() - startedMs;
    }
  }
}

function parseQuery(query: string): Expr {
  const expr = parseExpr(query, { dialect: "promql" });
  checkPromql(expr);
  return expr;
}

const orderedFunctions: ReadonlySet<string> = new Set(["sort", "sort_desc", "sort_by_label", "sort_by_label_desc"]);

/** Whether the outermost operation decides the order of an instant query's answer; all others are sorted by labels. */
function keepsOrder(expr: Expr): boolean {
  if (expr.kind === "function") return orderedFunctions.has(expr.name);
  return expr.kind === "aggregate" && (expr.name === "topk" || expr.name === "bottomk");
}

function resultOf(context: PromContext, query: string, value: PromValue, grid: Grid, resultType: QueryResult["resultType"], isOrdered: boolean): QueryResult {
  const all = finished(context, value, grid.points);
  const series = isOrdered ? all : sortedByLabels(all);
  return {
    resultType,
    timestampsMs: timesOf(grid),
    series: series.map(({ labels, values, present, histograms }): ResultSeries => ({ labels, values, present, ...(histograms === undefined ? {} : { histograms }) })),
    ...(value.kind === "string" ? { text: value.text } : {}),
    ...outcomeOf(context, query),
  };
}

function sortedByLabels<T extends { readonly labels: Labels }>(series: readonly T[]): T[] {
  return Array.from(orderLabelTable(labelTableOf(series.map(({ labels }) => labels)), false).order, (position) => series[position]);
}

/** The series of a value, with the names dropped that are to be dropped. */
function finished(context: PromContext, value: PromValue, points: number): readonly PromSeries[] {
  if (value.kind === "string") return [];
  if (value.kind === "scalar") return [{ ...constantSeries([], points, 0), values: value.values }];
  if (!context.delaysNameRemoval) return value.series;
  return mergeSameLabels(value.series.map((series) => (series.dropsName ? { ...series, labels: withoutMetadata(series.labels) } : series)));
}

function outcomeOf(context: PromContext, query: string): Pick<QueryResult, "isPartial" | "stats" | "warnings" | "infos"> {
  const { annotations, isPartial, stats } = context;
  return { isPartial, stats, warnings: annotations.warnings(query), infos: annotations.infos(query) };
}

/** The samples of a range. */
async function rangeResult(context: PromContext, query: string, expr: RollupExpr, grid: Grid): Promise<QueryResult> {
  const all = await evaluateRange(context, expr, grid);
  const sorted = sortedByLabels(all);
  return {
    resultType: "matrix",
    timestampsMs: new Float64Array(0),
    series: sorted.map(({ labels, samples }): ResultSeries => {
      const { timestampsMs, values, histogramTimesMs, histograms } = samples;
      return { labels, values, timestampsMs, isExact: true, ...(histograms.length === 0 ? {} : { rawHistograms: { timestampsMs: histogramTimesMs, histograms } }) };
    }),
    ...outcomeOf(context, query),
  };
}
