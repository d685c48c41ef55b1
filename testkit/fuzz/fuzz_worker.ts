/** The thread that runs targets; fuzz_session.ts watches it. It replaces global constructors, so it does nothing else. */
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../../src/base/assert.ts";
import { installAllocationMeter } from "./allocation_meter.ts";
import type { FuzzReport } from "./fuzz_loop.ts";

/** What the session asks for. */
export interface FuzzJob {
  readonly targets: readonly string[];
  readonly seed: number;
  readonly firstInput: number;
  /** For each target: stops at whichever comes first. */
  readonly inputsMax: number;
  readonly cpuMsMax: number;
  /** u32 inputs begun, u32 input number, u32 target, u32 size, bytes of the input: for the watchdog. */
  readonly progress: SharedArrayBuffer;
}

/** Bytes of the progress before the input. */
export const progressHeaderBytes = 16;

/** A message for each target that is done. */
export type FuzzMessage = FuzzReport;

async function work(job: FuzzJob): Promise<void> {
  const meter = installAllocationMeter();
  const { fuzzTarget } = await import("./fuzz_loop.ts");
  const { fuzzTargets } = await import("./targets.ts");
  const words = new Uint32Array(job.progress, 0, progressHeaderBytes / 4);
  const room = new Uint8Array(job.progress, progressHeaderBytes);
  for (const [index, name] of job.targets.entries()) {
    const target = fuzzTargets.find((one) => one.name === name);
    assert(target !== undefined, `there is no target ${name}`);
    const report = await fuzzTarget(target, {
      seed: job.seed,
      firstInput: job.firstInput,
      meter,
      goesOn: (inputs, cpuMs) => inputs < job.inputsMax && cpuMs < job.cpuMsMax,
      onInput(number, bytes) {
        room.set(bytes.subarray(0, room.length));
        words[1] = number;
        words[2] = index;
        words[3] = bytes.length;
        Atomics.add(words, 0, 1);
      },
    });
    parentPort!.postMessage(report satisfies FuzzMessage);
  }
}

if (parentPort !== null) await work(workerData as FuzzJob);
