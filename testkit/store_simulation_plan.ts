/** What one seed of the store simulation runs with: everything that differs between seeds is drawn here, before the first step. */
import type { Random } from "../src/base/random.ts";
import type { Tenant } from "../src/model/matcher.ts";
import type { LogAreaSizes } from "../src/storage/log_buffers.ts";

const dayMs = 86_400_000;

/** How often each kind of step is taken, relative to the others. */
export type StepWeights = Readonly<Record<StepKind, number>>;

export type StepKind = "write" | "search" | "read" | "labels" | "flush" | "merge" | "faults" | "wait" | "jump" | "crash" | "crashLater" | "close" | "flip";

export interface StorePlan {
  readonly shardCount: number;
  readonly fsyncIntervalMs: number;
  readonly chunkBudgetBytes: number;
  readonly chunkBytesMax: number;
  readonly sealChunksMax: number;
  readonly checkpointLogBytes: number;
  readonly checkpointIntervalMs: number;
  readonly logAreas: LogAreaSizes;
  readonly retentionMs: number;
  /** Older months are not in the live index after a start; Infinity: all are. */
  readonly liveIndexMs: number;
  readonly indexCacheBytes: number;
  /** With less than this free on the disk nothing is taken. */
  readonly minFreeBytes: number;
  /** Files are worked on in steps with other calls in between, as by the storage thread; false: every call is done at once. */
  readonly isThreaded: boolean;
  readonly tenants: readonly Tenant[];
  readonly callers: number;
  /** Names that series draw from. */
  readonly seriesNames: number;
  /** Steps after which all series get another label; Infinity: never. */
  readonly churnSteps: number;
  readonly rowsMax: number;
  readonly samplesMax: number;
  /** Chance that a row is late, by anything up to the retention. */
  readonly lateChance: number;
  readonly steps: number;
  readonly jumpDaysMax: number;
  readonly weights: StepWeights;
  /** Whether `ctl verify` reads the directory at the end. */
  readonly isVerified: boolean;
}

const calm: StepWeights = { write: 50, search: 8, read: 10, labels: 3, flush: 5, merge: 4, faults: 0, wait: 6, jump: 1, crash: 0, crashLater: 0, close: 1, flip: 0 };
/** What a seed is about. */
const characters: readonly StepWeights[] = [
  calm,
  { ...calm, faults: 9, crashLater: 3, crash: 1 },
  { ...calm, faults: 9, crashLater: 3, crash: 1 },
  { ...calm, crashLater: 6, crash: 1 },
  { ...calm, crashLater: 6, flush: 12, merge: 12 },
  { ...calm, jump: 6, merge: 8, crashLater: 3, flush: 8 },
  { ...calm, flip: 2, crash: 2, close: 2, flush: 8, merge: 5 },
  { ...calm, flip: 1, faults: 6, crashLater: 3, merge: 6 },
];

export function drawStorePlan(random: Random): StorePlan {
  const pick = <T>(of: readonly T[]): T => of[random.int(of.length)];
  const retentionMs = pick([45, 200, 3000]) * dayMs;
  return {
    shardCount: pick([1, 1, 1, 2, 3]),
    fsyncIntervalMs: pick([0, 1000]),
    chunkBudgetBytes: pick([128, 8192, 1 << 20]),
    chunkBytesMax: pick([1, 3]) << 20,
    sealChunksMax: pick([8, 64, 512]),
    checkpointLogBytes: pick([5000, 30_000, 1 << 30]),
    checkpointIntervalMs: pick([20_000, 3_600_000]),
    logAreas: pick([{ samplesBytes: 1024, seriesBytes: 1024 }, { samplesBytes: 4096, seriesBytes: 16_384 }, { samplesBytes: 1 << 17, seriesBytes: 1 << 17 }]),
    retentionMs,
    liveIndexMs: pick([Infinity, Infinity, 1, 60]) * dayMs,
    indexCacheBytes: pick([0, 10_000, 1 << 20]),
    minFreeBytes: pick([0, 4000]),
    isThreaded: random.int(4) > 0,
    tenants: pick([[{ accountId: 0, projectId: 0 }], [{ accountId: 0, projectId: 0 }, { accountId: 7, projectId: 1 }]]),
    callers: pick([1, 2, 3]),
    seriesNames: pick([4, 30, 120]),
    churnSteps: pick([10, Infinity, Infinity]),
    rowsMax: pick([3, 12]),
    samplesMax: pick([4, 12, 40]),
    lateChance: pick([0, 0.2, 0.6]),
    steps: 15 + random.int(60),
    // Two jumps are possible while a write waits, and its samples have to stay within the retention.
    jumpDaysMax: pick([2, Math.floor(retentionMs / dayMs / 5)]),
    weights: pick(characters),
    isVerified: random.int(4) === 0,
  };
}

/** Draws a kind of step. */
export function drawStep(random: Random, weights: StepWeights): StepKind {
  const kinds = Object.entries(weights) as [StepKind, number][];
  let dice = random.next() * kinds.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [kind, weight] of kinds) if ((dice -= weight) < 0) return kind;
  return "write";
}
