/**
 * Runs a target over damaged encodings. Input number i of a seed is always the same, whatever came before, so that it can be run alone:
 * `npm run fuzz -- --target=<name> --seed=<seed> --input=<i>`.
 */
import { TidemarkError } from "../../src/base/errors.ts";
import { type Random, seededRandom } from "../../src/base/random.ts";
import type { AllocationMeter } from "./allocation_meter.ts";
import type { FuzzTarget } from "./fuzz_target.ts";
import { damage, damageInPlace } from "./mutation.ts";

/** CPU milliseconds for one input, and for each KiB of it. Far above what is needed: slow means quadratic or worse. */
const defaultCpuMsMax = 400;
const cpuMsPerKib = 2;
const memoryBytesMin = 32 << 20;
const memoryPerByte = 1024;

/** What happened to an input, if it is a finding. */
export interface FuzzFinding {
  readonly target: string;
  readonly seed: number;
  readonly input: number;
  readonly inputHex: string;
  readonly problem: string;
}

export interface FuzzReport {
  readonly target: string;
  readonly inputs: number;
  /** Inputs that were decoded, the others were refused with a TidemarkError. */
  readonly accepted: number;
  readonly cpuMs: number;
  readonly slowestMs: number;
  readonly largestBytes: number;
  readonly finding: FuzzFinding | undefined;
}

export interface FuzzRun {
  readonly seed: number;
  readonly firstInput: number;
  /** Asked before each input. */
  readonly goesOn: (inputs: number, cpuMs: number) => boolean;
  readonly meter: AllocationMeter;
  /** Told before an input runs, for a watchdog. */
  readonly onInput: (number: number, bytes: Uint8Array) => void;
}

function randomOf(target: FuzzTarget, seed: number, number: number): Random {
  let hash = seed ^ Math.imul(number + 1, 0x9e3779b1);
  for (const char of target.name) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
  return seededRandom(hash >>> 0);
}

/** Input `number` of a seed; one in ten is whole and has to be accepted. */
function makeInput(target: FuzzTarget, seedNumber: number, number: number): { bytes: Uint8Array; isValid: boolean } {
  const random = randomOf(target, seedNumber, number);
  const { seal, isValid, ...seed } = target.make(random);
  const bytes = new Uint8Array(seed.bytes); // no Buffer: its slices are views
  const kind = random.int(10);
  if (kind === 0 || (isValid === false && kind < 6)) return { bytes, isValid: isValid ?? true };
  if (seal !== undefined && kind < 8) return { bytes: damageInPlace(bytes, seal, random), isValid: false };
  return { bytes: damage(bytes, new Uint8Array(target.make(random).bytes), target.words ?? [], random), isValid: false };
}

/** Runs inputs until one is a finding or `goesOn` says no. */
export async function fuzzTarget(target: FuzzTarget, run: FuzzRun): Promise<FuzzReport> {
  let [inputs, accepted, cpuMs, slowestMs, largestBytes] = [0, 0, 0, 0, 0];
  let finding: FuzzFinding | undefined;
  while (finding === undefined && run.goesOn(inputs, cpuMs)) {
    const number = run.firstInput + inputs++;
    const { bytes, isValid } = makeInput(target, run.seed, number);
    run.onInput(number, bytes);
    const outcome = await measured(target, bytes, run.meter);
    // Compiling and collecting garbage take time too, but not twice in the same place.
    const isSlow = outcome.cpuMs > cpuLimitMs(target, bytes);
    const cpuAgainMs = isSlow ? (await measured(target, bytes, run.meter)).cpuMs : outcome.cpuMs;
    cpuMs += outcome.cpuMs;
    slowestMs = Math.max(slowestMs, Math.min(outcome.cpuMs, cpuAgainMs));
    largestBytes = Math.max(largestBytes, outcome.allocatedBytes);
    if (outcome.error === undefined) accepted++;
    const refused = isValid && outcome.error !== undefined ? `a valid encoding is refused: ${String(outcome.error)}` : undefined;
    const problem = problemOf(target, bytes, { ...outcome, cpuMs: Math.min(outcome.cpuMs, cpuAgainMs) }) ?? refused;
    if (problem !== undefined) finding = { target: target.name, seed: run.seed, input: number, inputHex: Buffer.from(bytes).toString("hex"), problem };
  }
  return { target: target.name, inputs, accepted, cpuMs, slowestMs, largestBytes, finding };
}

function cpuLimitMs(target: FuzzTarget, bytes: Uint8Array): number {
  return (target.cpuMsMax ?? defaultCpuMsMax) + (cpuMsPerKib * bytes.length) / 1024;
}

interface Outcome {
  readonly error: unknown;
  readonly cpuMs: number;
  readonly allocatedBytes: number;
}

async function measured(target: FuzzTarget, bytes: Uint8Array, meter: AllocationMeter): Promise<Outcome> {
  const before = process.threadCpuUsage();
  meter.reset();
  let error: unknown;
  try {
    const pending = target.run(bytes);
    if (pending !== undefined) await pending;
  } catch (thrown) {
    error = thrown ?? new Error("nothing was thrown");
  }
  const used = process.threadCpuUsage(before);
  return { error, cpuMs: (used.user + used.system) / 1000, allocatedBytes: meter.allocatedBytes };
}

function problemOf(target: FuzzTarget, bytes: Uint8Array, { error, cpuMs, allocatedBytes }: Outcome): string | undefined {
  if (error !== undefined && !(error instanceof TidemarkError)) return error instanceof Error ? (error.stack ?? String(error)) : String(error);
  const limitMs = cpuLimitMs(target, bytes);
  if (cpuMs > limitMs) return `it took ${cpuMs.toFixed(0)} ms of CPU for ${bytes.length} bytes, twice; allowed are ${limitMs.toFixed(0)}`;
  const memoryMax = Math.max(memoryBytesMin, target.memoryBytesMax?.(bytes.length) ?? bytes.length * memoryPerByte);
  if (allocatedBytes > memoryMax) return `it asked for ${allocatedBytes} bytes of memory for ${bytes.length} bytes; allowed are ${memoryMax}`;
  return undefined;
}
