/**
 * Crashes and failures at every file operation. A test gives a workload on a disk and a check that reopens what a crash left; the
 * simulation runs the workload once, and before each of its file operations (and after the last) takes a copy of the disk as a crash at that
 * moment would leave it, and runs the check on the copy.
 *
 * The check compares with what the workload knows at that moment (what was acknowledged, what was synced): it is a closure over
 * the same variables, and everything it needs of them is read before its first await.
 */
import { MemoryFileSystem } from "../src/disk/memory_file_system.ts";
import { FaultyFileSystem, failFrom } from "../src/disk/faulty_file_system.ts";
import type { Fault, FaultPlan, FileOperation } from "../src/disk/faulty_file_system.ts";
import { seededRandom } from "../src/base/random.ts";

/** `kill`: everything written is there. `power_loss`: only what was synced, and a random part of the rest. */
export type CrashKind = "kill" | "power_loss";

export interface CrashSimulation {
  /** Replays a failure; it is part of every error message. */
  readonly seed: number;
  /** Default: an empty disk. */
  readonly disk?: MemoryFileSystem;
  /** Makes operations fail on the way. */
  readonly faults?: FaultPlan;
  /** Default: both. */
  readonly kinds?: readonly CrashKind[];
  /** Chance of a crash at each operation. Default 1: crash at every one. */
  readonly crashChance?: number;
  /** Does not start anything that outlives it. */
  run(files: FaultyFileSystem): void | Promise<void>;
  /** Throws if the disk, reopened, lacks what the workload may count on. The copy is the check's own: it may write to it. */
  check(disk: MemoryFileSystem, kind: CrashKind): void | Promise<void>;
}

/** Resolves with how much was simulated; rejects with the first failed check, named by seed and operation. */
export async function simulateCrashes(simulation: CrashSimulation): Promise<{ operationCount: number; crashCount: number }> {
  const random = seededRandom(simulation.seed);
  const disk = simulation.disk ?? new MemoryFileSystem();
  const files = new FaultyFileSystem(disk, simulation.faults);
  const running: Promise<void>[] = [];
  let crashCount = 0;
  const crash = (moment: string): void => {
    if (random.next() >= (simulation.crashChance ?? 1)) return;
    for (const kind of simulation.kinds ?? ["kill", "power_loss"]) {
      crashCount++;
      const copy = kind === "kill" ? disk.killClone() : disk.crashClone(random);
      const name = `${kind} ${moment}, seed ${simulation.seed}`;
      const result = attempt(name, () => simulation.check(copy, kind));
      if (result === undefined) continue;
      result.catch(() => {}); // reported below
      running.push(result);
    }
  };
  files.beforeOperation = (operation) => crash("before " + describe(operation));
  await attempt(`workload, seed ${simulation.seed}`, () => simulation.run(files));
  crash("at the end");
  await Promise.all(running);
  return { operationCount: files.operationCount, crashCount };
}

export interface FailureSimulation {
  /** Which failure each operation meets once. */
  readonly fault: Fault;
  /** How many operations fail from each one on; Infinity: the disk does not recover. Default 1. */
  readonly count?: number;
  /** Prepares a disk; its operations do not fail. Default: an empty disk. */
  readonly prepare?: () => MemoryFileSystem;
  /** The workload and its checks; runs once for every operation it makes, on a fresh disk, with that operation failing. */
  run(files: FaultyFileSystem, disk: MemoryFileSystem): void | Promise<void>;
}

/** Resolves with the number of operations of the workload when nothing fails. */
export async function failEachOperation(simulation: FailureSimulation): Promise<number> {
  const prepare = simulation.prepare ?? (() => new MemoryFileSystem());
  const disk = prepare();
  const counting = new FaultyFileSystem(disk);
  await attempt("no operation fails", () => simulation.run(counting, disk));
  for (let index = 0; index < counting.operationCount; index++) {
    const failingDisk = prepare();
    const files = new FaultyFileSystem(failingDisk, failFrom(index, simulation.fault, simulation.count));
    let failed = "none";
    files.beforeOperation = (operation) => {
      if (operation.index === index) failed = describe(operation);
    };
    await attempt(() => `${simulation.fault.code} at ${failed}`, () => simulation.run(files, failingDisk));
  }
  return counting.operationCount;
}

function describe(operation: FileOperation): string {
  return `operation ${operation.index} (${operation.kind} ${operation.path})`;
}

/** Runs `action` and puts `name` before the message of what it throws. */
function attempt(name: string | (() => string), action: () => void | Promise<void>): Promise<void> | undefined {
  const named = (error: unknown): Error => {
    const text = typeof name === "string" ? name : name();
    return new Error(`${text}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  };
  try {
    return action()?.catch((error: unknown) => {
      throw named(error);
    });
  } catch (error) {
    throw named(error);
  }
}
