/**
 * StepScheduler: gives the storage thread's long work its turns, one step between two turns of the event loop, so that the log is written in between.
 *
 *   seals        come first: memory waits for them
 *   merges       one at a time; a forced one takes every turn that seals leave, and one in so many while there are seals
 *   background   merges, as long as something is written: so that they take no more than their share of a core, or more if parts pile up
 *
 * Work that waits for the disk (a step that yielded a promise) leaves the turn to the others.
 */
import type { Clock } from "../base/clock.ts";
import { nextStep, type Steps } from "../storage/steps.ts";

export interface StepTask<T> {
  readonly kind: "seal" | "merge" | "background";
  readonly steps: Steps<T>;
  readonly done: (value: T) => void;
  readonly failed: (error: unknown) => void;
}

export interface StepSchedulerOptions {
  readonly clock: Clock;
  /** Calls back in the next turn of the event loop. */
  readonly nextTurn: (callback: () => void) => void;
  /** Of a core, for background merges while something is written. */
  readonly backgroundShare: number;
  /** Parts that wait to be merged, of the partition that has most. */
  readonly backlog: () => number;
}

/** A forced merge gets one step in so many while there are seals, so that it comes to an end under a steady load. */
const stepsPerMergeStep = 4;
/** So many parts are fine; with a multiple of them, background merges get the same multiple of their share. */
const usualBacklog = 16;
/** Without a write for so long nothing is being written. */
const idleMs = 1000;

interface Entry<T> {
  readonly task: StepTask<T>;
  /** Waits for the disk. */
  isWaiting: boolean;
  failure: { readonly error: unknown } | undefined;
}

export class StepScheduler<T> {
  readonly #options: StepSchedulerOptions;
  readonly #seals: Entry<T>[] = [];
  readonly #merges: Entry<T>[] = [];
  #isScheduled = false;
  #timer: Disposable | undefined;
  #stepCount = 0;
  #writtenMs = -Infinity;
  #backgroundFromMs = -Infinity;
  #longestStepMs = 0;

  constructor(options: StepSchedulerOptions) {
    this.#options = options;
  }

  add(task: StepTask<T>): void {
    (task.kind === "seal" ? this.#seals : this.#merges).push({ task, isWaiting: false, failure: undefined });
    this.#wake();
  }

  /** Something was written just now. */
  noteWrite(): void {
    this.#writtenMs = this.#options.clock.monotonicMs();
  }

  /** Milliseconds of the longest step since the last call. */
  takeLongestStepMs(): number {
    const longestMs = this.#longestStepMs;
    this.#longestStepMs = 0;
    return longestMs;
  }

  /** Gives up all work: its steps are ended where they are. */
  close(error: unknown, onError: (error: unknown) => void): void {
    this.#timer?.[Symbol.dispose]();
    for (const { task } of [...this.#seals.splice(0), ...this.#merges.splice(0)]) {
      task.failed(error);
      try {
        task.steps.return(undefined as never);
      } catch (cause) {
        onError(cause);
      }
    }
  }

  #wake(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#options.nextTurn(() => {
      this.#isScheduled = false;
      this.#turn();
    });
  }

  #turn(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const seal = this.#seals[0]?.isWaiting === false ? this.#seals[0] : undefined;
    const merge = this.#merges[0]?.isWaiting === false ? this.#merges[0] : undefined;
    const pauseMs = merge === undefined || !this.#isPaced(nowMs) ? 0 : this.#backgroundFromMs - nowMs;
    const isMergeTurn = merge !== undefined && pauseMs <= 0 && (seal === undefined || this.#stepCount % stepsPerMergeStep === 0);
    this.#stepCount++;
    if (isMergeTurn) this.#step(this.#merges, merge);
    else if (seal !== undefined) this.#step(this.#seals, seal);
    else if (merge !== undefined) this.#timer = this.#options.clock.setTimer(pauseMs, () => this.#wake());
  }

  /** Whether the merge whose turn it is must keep to its share: when nobody waits for it, and something is being written. */
  #isPaced(nowMs: number): boolean {
    return nowMs - this.#writtenMs < idleMs && this.#merges.every(({ task }) => task.kind === "background");
  }

  #step(queue: Entry<T>[], entry: Entry<T>): void {
    const { clock } = this.#options;
    const beginMs = clock.monotonicMs();
    const { failure } = entry;
    entry.failure = undefined;
    try {
      const step = nextStep(entry.task.steps, failure);
      if (step.done === true) {
        queue.shift();
        entry.task.done(step.value);
      } else if (step.value !== undefined) this.#waitFor(entry, step.value);
    } catch (error) {
      queue.shift();
      entry.task.failed(error);
    }
    const endMs = clock.monotonicMs();
    const tookMs = endMs - beginMs;
    this.#longestStepMs = Math.max(this.#longestStepMs, tookMs);
    if (queue === this.#merges) this.#backgroundFromMs = endMs + tookMs * (1 / this.#share - 1);
    this.#wake();
  }

  get #share(): number {
    return Math.min(1, this.#options.backgroundShare * Math.max(1, this.#options.backlog() / usualBacklog));
  }

  #waitFor(entry: Entry<T>, disk: Promise<void>): void {
    entry.isWaiting = true;
    const go = (): void => {
      entry.isWaiting = false;
      this.#wake();
    };
    disk.then(go, (error: unknown) => {
      entry.failure = { error };
      go();
    });
  }
}
