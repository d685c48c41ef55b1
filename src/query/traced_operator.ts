/** An operator with a step of the trace: how long it was at work, what it gave, and what was read from the Store for it. */
import { endMsOf, type Grid } from "./grid.ts";
import type { ColumnSink, Operator } from "./operator.ts";
import { describePlan, type Plan } from "./plan.ts";
import type { QueryContext } from "./query_context.ts";
import type { QueryTrace, TraceSpan } from "./query_trace.ts";
import type { Series } from "./series.ts";

/** Compiles a plan so that its operator is traced; steps of the operators below it become children of its step. */
export function traceOperator(context: QueryContext, trace: QueryTrace, { plan, grid }: { plan: Plan; grid: Grid }, compile: () => Operator): Operator {
  const span = trace.open(`${describePlan(plan)} at ${describeGrid(grid)}`);
  const operator = trace.run(span, compile);
  return new TracedOperator(context, trace, span, operator);
}

class TracedOperator implements Operator {
  readonly #context: QueryContext;
  readonly #trace: QueryTrace;
  readonly #span: TraceSpan;
  readonly #inner: Operator;
  readonly #description: string;
  #series = 0;
  #readSeries = 0;
  #readSamples = 0;

  constructor(context: QueryContext, trace: QueryTrace, span: TraceSpan, inner: Operator) {
    this.#context = context;
    this.#trace = trace;
    this.#span = span;
    this.#inner = inner;
    this.#description = span.message;
  }

  async next(): Promise<readonly Series[] | undefined> {
    const batch = await this.#traced(() => this.#inner.next());
    this.#series += batch?.length ?? 0;
    this.#span.message = this.#describe();
    return batch;
  }

  async feed(sink: ColumnSink): Promise<boolean> {
    const counting: ColumnSink = {
      groups: sink.groups,
      add: (group, column) => {
        this.#series++;
        sink.add(group, column);
      },
    };
    return this.#traced(async () => (await this.#inner.feed?.(counting)) === true);
  }

  async #traced<T>(work: () => Promise<T>): Promise<T> {
    const { stats } = this.#context;
    const { seriesFetched, samplesScanned } = stats;
    try {
      return await this.#trace.wait(this.#span, work);
    } finally {
      this.#readSeries += stats.seriesFetched - seriesFetched;
      this.#readSamples += stats.samplesScanned - samplesScanned;
      this.#span.message = this.#describe();
    }
  }

  #describe(): string {
    const read = this.#readSeries === 0 ? "" : `, from ${this.#readSeries} series with ${this.#readSamples} samples`;
    return `${this.#description}: ${this.#series} series${read}; ${this.#context.columns.bytesHeld} bytes of columns so far`;
  }
}

function describeGrid(grid: Grid): string {
  if (grid.points === 1) return isoTime(grid.startMs);
  return `${grid.points} points from ${isoTime(grid.startMs)} to ${isoTime(endMsOf(grid))}, step ${grid.stepMs / 1000}s`;
}

/** Queries may ask for times that no calendar has. */
function isoTime(timeMs: number): string {
  return Math.abs(timeMs) <= 8.64e15 ? new Date(timeMs).toISOString() : String(timeMs);
}
