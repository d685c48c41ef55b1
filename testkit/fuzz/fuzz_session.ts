/**
 * Runs fuzz targets in a thread and watches it: an input that does not come to an end, or takes the heap or the whole thread with it, is a finding
 * too, with its bytes.
 */
import { Worker } from "node:worker_threads";
import type { FuzzFinding, FuzzReport } from "./fuzz_loop.ts";
import { type FuzzJob, type FuzzMessage, progressHeaderBytes } from "./fuzz_worker.ts";

export interface FuzzOptions extends Omit<FuzzJob, "progress"> {
  /** Told of each target that is done. */
  readonly onReport?: (report: FuzzReport) => void;
}

const inputRoomBytes = 1 << 20;
const pollMs = 500;
/** One input takes milliseconds; a loaded machine may stop the thread for some time. */
const stalledMs = 30_000;
const heapMbMax = 768;

/** Runs all targets of the options, or up to the first finding. */
export async function runFuzz(options: FuzzOptions): Promise<FuzzFinding | undefined> {
  const { onReport, ...job } = options;
  const progress = new SharedArrayBuffer(progressHeaderBytes + inputRoomBytes);
  const worker = new Worker(new URL("./fuzz_worker.ts", import.meta.url), { workerData: { ...job, progress } satisfies FuzzJob, resourceLimits: { maxOldGenerationSizeMb: heapMbMax } });
  const { promise, resolve } = Promise.withResolvers<FuzzFinding | undefined>();
  const fail = (problem: string): void => resolve(lastInput(options, progress, problem));
  worker.on("message", (report: FuzzMessage) => {
    onReport?.(report);
    if (report.finding !== undefined) resolve(report.finding);
  });
  worker.on("error", (error) => fail(`the thread ended: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`));
  worker.on("exit", () => resolve(undefined));
  const watchdog = watch(progress, () => fail(`it did not come to an end within ${stalledMs} ms`));
  try {
    return await promise;
  } finally {
    clearInterval(watchdog);
    await worker.terminate();
  }
}

/** Calls back when no input has begun for a long time. */
function watch(progress: SharedArrayBuffer, onStalled: () => void): NodeJS.Timeout {
  const words = new Uint32Array(progress, 0, progressHeaderBytes / 4);
  let seen = -1;
  let waitedMs = 0;
  return setInterval(() => {
    const begun = Atomics.load(words, 0);
    waitedMs = begun === seen ? waitedMs + pollMs : 0;
    seen = begun;
    if (waitedMs >= stalledMs) onStalled();
  }, pollMs);
}

function lastInput({ targets, seed }: FuzzOptions, progress: SharedArrayBuffer, problem: string): FuzzFinding {
  const [, input, target, size] = new Uint32Array(progress, 0, progressHeaderBytes / 4);
  const bytes = new Uint8Array(progress, progressHeaderBytes, Math.min(size, inputRoomBytes));
  return { target: targets[target], seed, input, inputHex: Buffer.from(bytes).toString("hex"), problem };
}

/** A finding in words, with what replays it. */
export function printFinding({ target, seed, input, inputHex, problem }: FuzzFinding): string {
  return `${target}: ${problem}\n  replay: npm run fuzz -- --target=${target} --seed=${seed} --input=${input}\n  input (${inputHex.length / 2} bytes): ${inputHex}`;
}
