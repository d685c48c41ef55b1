/**
 * Long work on the thread that owns the files, cut into steps of a few milliseconds so that the log is written in between. A step may yield a promise (of
 * a disk that is busy on another thread): the next step comes after it has settled, and its error is thrown into the work.
 */
import { AssertionError } from "../base/assert.ts";

export type Steps<T> = Generator<Promise<void> | void, T, void>;

/** Does the next step, after an error of the promise that the last one had yielded. */
export function nextStep<T>(steps: Steps<T>, failure?: { readonly error: unknown }): IteratorResult<Promise<void> | void, T> {
  return failure === undefined ? steps.next() : steps.throw(failure.error);
}

/** Does all steps of work that does not wait for another thread. */
export function runAtOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (step.value !== undefined) throw new AssertionError("this work waits for nothing");
  }
}

/** Does all steps. Nothing else happens in between unless the disk is busy on another thread. */
export async function runSteps<T>(steps: Steps<T>): Promise<T> {
  let failure: { error: unknown } | undefined;
  for (;;) {
    const step = nextStep(steps, failure);
    if (step.done === true) return step.value;
    failure = undefined;
    if (step.value === undefined) continue;
    try {
      await step.value;
    } catch (error) {
      failure = { error };
    }
  }
}
