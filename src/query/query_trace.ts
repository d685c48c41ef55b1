/**
 * What a query did and how long each step took, for trace=1. Steps form a tree: a step that begins while another one is under way is its child, and its
 * time is part of the other's. A query that is not traced has no QueryTrace, and pays nothing.
 */

/** A finished step, in the form in which VictoriaMetrics answers it. */
export interface TraceNode {
  readonly duration_msec: number;
  readonly message: string;
  readonly children?: readonly TraceNode[];
}

/** A step; it may be under way several times, its time is the sum. */
export class TraceSpan {
  /** What the step is, and in the end what came of it. */
  message: string;
  durationMs = 0;
  readonly children: (TraceSpan | TraceNode)[] = [];

  constructor(message: string) {
    this.message = message;
  }

  /** The step and those below it, as plain data. */
  node(): TraceNode {
    const { message, durationMs, children } = this;
    const duration = Math.round(durationMs * 1000) / 1000;
    if (children.length === 0) return { duration_msec: duration, message };
    return { duration_msec: duration, message, children: children.map((child) => (child instanceof TraceSpan ? child.node() : child)) };
  }
}

export class QueryTrace {
  readonly root: TraceSpan;
  readonly #monotonicMs: () => number;
  #current: TraceSpan;

  constructor(message: string, monotonicMs: () => number) {
    this.root = new TraceSpan(message);
    this.#current = this.root;
    this.#monotonicMs = monotonicMs;
  }

  /** A new step below the one that is under way. */
  open(message: string): TraceSpan {
    const span = new TraceSpan(message);
    this.#current.children.push(span);
    return span;
  }

  /** A fact that took no time worth telling, below the step that is under way. */
  note(message: string): void {
    this.#current.children.push({ duration_msec: 0, message });
  }

  /** Puts steps that were traced elsewhere below the one that is under way. */
  attach(node: TraceNode): void {
    this.#current.children.push(node);
  }

  /** Runs a part of a step. */
  run<T>(span: TraceSpan, work: () => T): T {
    using _step = this.enter(span);
    return work();
  }

  /** Runs a part of a step that waits for something. REQUIRES: parts of a query run one after the other. */
  async wait<T>(span: TraceSpan, work: () => Promise<T>): Promise<T> {
    using _step = this.enter(span);
    return await work();
  }

  /** A step is under way until the result is disposed of. */
  enter(span: TraceSpan): Disposable {
    const outer = this.#current;
    const startedMs = this.#monotonicMs();
    this.#current = span;
    return {
      [Symbol.dispose]: () => {
        span.durationMs += this.#monotonicMs() - startedMs;
        this.#current = outer;
      },
    };
  }
}
