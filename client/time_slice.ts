/** Runs long computations in slices, so that a page stays responsive and a server goes on serving. */

const sliceMs = 8;

interface Scheduler {
  yield?(): Promise<void>;
}

/** Lets other tasks run. */
function pause(): Promise<void> {
  const { scheduler } = globalThis as { scheduler?: Scheduler };
  return scheduler?.yield?.() ?? new Promise((resolve) => setTimeout(resolve, 0));
}

/** Drives `steps` to its end, with a pause whenever it has taken some milliseconds. Rejects with the reason of `signal` once that aborts. */
export async function runInSlices<T>(steps: Generator<undefined, T>, signal?: AbortSignal): Promise<T> {
  let beginMs = performance.now();
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (performance.now() - beginMs < sliceMs) continue;
    await pause();
    signal?.throwIfAborted();
    beginMs = performance.now();
  }
}
