/**
 * TableMerger: does the merges that the schedule asks for, and takes out of service what cannot be read.
 *
 *   plan ──room on the disk?──> open the sources ──> merge into new files ──> damaged sources kept in the quarantine ──> commit ──> old files removed
 *               no: later         damaged: quarantine, plan anew
 *
 * Whatever fails or crashes before the commit leaves the sources as they are, and files that the next start removes.
 */
import { StorageError } from "../base/errors.ts";
import { fileErrorCode } from "../disk/file_error.ts";
import type { DiskSpace } from "./disk_space.ts";
import type { KernelPool } from "./kernel_pool.ts";
import type { ManifestIndexSegment, ManifestPart, ManifestPartition } from "./manifest_state.ts";
import type { LostBlocks } from "./merge.ts";
import { finalMerges, forcedMerge, mergeSettleMs, type MergePlan, planBytes, tierMerges } from "./merge_schedule.ts";
import { Part } from "./part.ts";
import { IndexSegment } from "./partition_index.ts";
import { keepInQuarantine } from "./quarantine.ts";
import { SeriesSet } from "./series_set.ts";
import type { Steps } from "./steps.ts";
import type { MergeRequest } from "./table_client.ts";
import { type TableFiles, withPartition } from "./table_files.ts";
import { type MergedParts, mergeIndex, mergeSources, monthNamed } from "./table_merge.ts";

export interface TableMergerOptions {
  readonly files: TableFiles;
  readonly space: DiskSpace;
  readonly kernels: KernelPool;
  /** Newest log row in each part that has log rows; entries of parts that go are removed. */
  readonly maxLogRows: Map<number, number>;
  /** Told the series that the index of a partition has left after a segment was lost. */
  readonly onIndexLost: (partition: string, left: SeriesSet) => void;
}

/** After a merge has failed, its partition is left alone for so long. */
const asideMs = 600_000;
/** An error of the disk counts as lasting after so many attempts over so long. */
const lastingAttempts = 3;
const lastingMs = 60_000;
/** Places that the report of a damaged part names. */
const reportedMax = 1000;

type Verdict = { readonly isLasting: boolean; readonly reason: string } | undefined;

export class TableMerger {
  readonly #options: TableMergerOptions;
  readonly #files: TableFiles;
  /** Parts and index segments that the running merge replaces. */
  readonly #merging = new Set<number>();
  readonly #asideUntilMs = new Map<string, number>();
  readonly #writtenMs = new Map<string, number>();
  readonly #openedMs: number;
  readonly #failing = new Map<number, { attempts: number; sinceMs: number }>();
  #isPuttingOff = false;
  #active = 0;
  #done = 0;
  #samples = 0;
  #putOff = 0;
  #quarantinedParts = 0;
  #quarantinedIndexSegments = 0;
  #damagedBlocks = 0;

  constructor(options: TableMergerOptions) {
    this.#options = options;
    this.#files = options.files;
    this.#openedMs = options.files.clock.nowMs();
  }

  get stats() {
    return {
      mergesActive: this.#active,
      mergesDone: this.#done,
      samplesMerged: this.#samples,
      mergesPutOff: this.#putOff,
      quarantinedParts: this.#quarantinedParts,
      quarantinedIndexSegments: this.#quarantinedIndexSegments,
      damagedBlocks: this.#damagedBlocks,
    };
  }

  /** Parts that could be merged, of the partition that has most: reading gets slower with them. */
  get backlog(): number {
    return this.#files.state.partitions.reduce((most, { parts }) => Math.max(most, parts.filter((part) => this.#isMergeable(part)).length), 0);
  }

  isMerging(id: number): boolean {
    return this.#merging.has(id);
  }

  /** A seal has written to this partition. */
  noteWritten(partition: string): void {
    this.#writtenMs.set(partition, this.#files.clock.nowMs());
  }

  /** A part whose rows may still be replayed from the log keeps its log rows, and so its own files. */
  #isMergeable = (part: ManifestPart): boolean => {
    return !this.#merging.has(part.id) && (this.#options.maxLogRows.get(part.id) ?? 0) <= this.#files.state.checkpoint.logRow;
  };

  /** One merge of those that are worth it; `force`: all there are. Forced ones reject if the disk had too little room for one. */
  *merge({ force, partitionPrefix }: MergeRequest): Steps<void> {
    if (!force) return yield* this.#mergeInBackground();
    let shortage: StorageError | undefined;
    for (const { name } of this.#files.state.partitions.filter((partition) => partition.name.startsWith(partitionPrefix ?? ""))) {
      for (;;) {
        const partition = this.#files.state.partitions.find((one) => one.name === name);
        const plan = partition === undefined ? undefined : forcedMerge(partition, this.#isMergeable, this.#files.clock.nowMs());
        if (plan === undefined) break;
        if (!this.#hasRoom(plan)) {
          shortage ??= new StorageError("disk_full", `partition ${name} was not merged: ${this.#shortage(plan)}`);
          break;
        }
        yield* this.#run(plan);
      }
    }
    if (shortage !== undefined) throw shortage;
  }

  *#mergeInBackground(): Steps<void> {
    const { state, clock } = this.#files;
    const nowMs = clock.nowMs();
    const policy = { state, isMergeable: this.#isMergeable, nowMs, quietSinceMs: (partition: string) => this.#writtenMs.get(partition) ?? this.#openedMs };
    const isSettled = (partition: string): boolean => nowMs - (this.#writtenMs.get(partition) ?? -Infinity) >= mergeSettleMs;
    const plans = [...tierMerges({ ...policy, isSettled }), ...finalMerges(policy)].filter(({ partition }) => (this.#asideUntilMs.get(partition) ?? -Infinity) <= nowMs);
    const plan = plans.find((one) => this.#hasRoom(one));
    if (plans.length > 0 && plan === undefined) this.#putMergesOff(plans[0]);
    if (plan === undefined) return;
    this.#isPuttingOff = false;
    try {
      yield* this.#run(plan);
    } catch (error) {
      this.#asideUntilMs.set(plan.partition, clock.nowMs() + asideMs);
      throw error;
    }
  }

  #hasRoom(plan: MergePlan): boolean {
    return this.#options.space.hasRoomFor(planBytes(plan));
  }

  #shortage(plan: MergePlan): string {
    const { space } = this.#options;
    return `it needs ${planBytes(plan)} bytes besides the ${space.minFreeBytes} of -storage.minFreeDiskSpaceBytes, and ${Math.floor(space.freeBytes)} are free`;
  }

  /** Says it once, until a merge is done again. */
  #putMergesOff(plan: MergePlan): void {
    if (this.#isPuttingOff) return;
    this.#isPuttingOff = true;
    this.#putOff++;
    this.#files.logger.warn(`merges are put off, the smallest that is due is one of partition ${plan.partition}: ${this.#shortage(plan)}`);
  }

  // ---- one merge --------------------------------------------------------------------------------------------------

  *#run(plan: MergePlan): Steps<void> {
    if (plan.parts.length === 0 && plan.indexSegments.length === 0) return this.#markFinal(plan.partition);
    const entries = [...plan.parts, ...plan.indexSegments];
    const kernel = this.#options.kernels.take();
    for (const { id } of entries) this.#merging.add(id);
    this.#active++;
    try {
      yield* this.#mergeAndCommit(plan, kernel);
    } finally {
      this.#active--;
      for (const { id } of entries) this.#merging.delete(id);
      this.#options.kernels.giveBack(kernel);
    }
  }

  #markFinal(name: string): void {
    this.#files.commit(withPartition(this.#files.state, name, (partition) => ({ ...partition, finalPartId: partition.parts[0].id })));
  }

  *#mergeAndCommit(plan: MergePlan, kernel: ReturnType<KernelPool["take"]>): Steps<void> {
    using sources = new DisposableStack();
    const parts = this.#openSources(plan, sources);
    if (parts === undefined) return;
    const { files } = this.#files;
    const path = this.#files.path(plan.partition);
    const month = monthNamed(plan.partition);
    const merged = plan.parts.length === 0 ? undefined : yield* mergeSources(files, { path, partition: month, partId: this.#files.takeFileId(), codec: plan.codec }, parts, kernel);
    const isWhole = plan.kind !== "tier" && merged !== undefined && merged.lost.length === 0;
    let segment: ManifestIndexSegment | undefined;
    let indexError: unknown;
    if (plan.indexSegments.length > 0) {
      try {
        segment = yield* mergeIndex(files, path, month, plan.indexSegments, this.#files.takeFileId(), isWhole ? merged.activity : undefined);
      } catch (error) {
        if (!isDamage(error)) throw error;
        indexError = error;
      }
    }
    this.#commit(plan, merged, segment, isWhole);
    if (indexError === undefined) return;
    for (const { id } of plan.indexSegments) {
      this.#merging.delete(id);
      yield* this.quarantine(plan.partition, id, String(indexError));
    }
  }

  /** The open parts of a plan; undefined if one was taken out of service, so that the plan is no longer right. */
  #openSources({ partition, parts }: MergePlan, open: DisposableStack): Part[] | undefined {
    const sources: Part[] = [];
    let isRight = true;
    for (const part of parts) {
      try {
        sources.push(open.use(Part.openInOrder(this.#files.files, `${this.#files.path(partition)}/parts/${part.id}`)));
      } catch (error) {
        if (!isDamage(error) || !this.#takeOutPart(partition, part, String(error))) throw error;
        isRight = false;
      }
    }
    return isRight ? sources : undefined;
  }

  #commit(plan: MergePlan, merged: MergedParts | undefined, segment: ManifestIndexSegment | undefined, isWhole: boolean): void {
    const { state, logger } = this.#files;
    const { partition: name, kind } = plan;
    const old = state.partitions.find((partition) => partition.name === name);
    const gone = new Set([...(merged === undefined ? [] : plan.parts), ...(segment === undefined ? [] : plan.indexSegments)].map(({ id }) => id));
    const present = new Set([...(old?.parts ?? []), ...(old?.indexSegments ?? [])].map(({ id }) => id));
    if (![...gone].every((id) => present.has(id))) {
      // The partition was dropped meanwhile; the next start removes what was made of it, if it does not go with its directory.
      logger.info(`a merge of partition ${name} came too late and is forgotten`);
      return;
    }
    if (merged !== undefined) this.#keepDamaged(plan, merged.lost);
    const partId = merged?.part?.id;
    this.#files.commit(withPartition(state, name, (partition) => {
      const parts = [...(merged?.part === undefined ? [] : [merged.part]), ...partition.parts.filter(({ id }) => !gone.has(id))];
      const activityPartId = isWhole && partId !== undefined ? this.#activityPartId(plan, partition, partId) : undefined;
      const newSegment = segment === undefined ? [] : [{ ...segment, ...(activityPartId === undefined ? {} : { activityPartId }) }];
      const isFinal = kind === "final" && partId !== undefined && (segment !== undefined || plan.indexSegments.length === 0);
      return {
        ...partition,
        parts,
        indexSegments: [...newSegment, ...partition.indexSegments.filter(({ id }) => !gone.has(id))],
        ...(isFinal ? { finalPartId: partId } : {}),
      };
    }));
    const isGone = ({ id }: { id: number }): boolean => gone.has(id);
    for (const id of gone) this.#options.maxLogRows.delete(id);
    this.#files.removeLater(name, plan.parts.filter(isGone), plan.indexSegments.filter(isGone));
    this.#done++;
    this.#samples += merged?.part?.sampleCount ?? 0;
    if (kind === "final") logger.info(`partition ${name} is over: merged to ${merged?.part?.sizeBytes ?? 0} bytes`);
  }

  /** The newest part for which the learnt times are complete: that of the merge, unless a seal with a smaller id is not in it. */
  #activityPartId(plan: MergePlan, partition: ManifestPartition, partId: number): number | undefined {
    const merged = new Set(plan.parts.map(({ id }) => id));
    const others = [...partition.parts.filter(({ id }) => !merged.has(id)).map(({ id }) => id), this.#files.sealing.get(partition.name) ?? Infinity];
    if (Math.min(...others) > partId) return partId;
    const known = Math.min(...others) - 1;
    return known > 0 ? known : undefined;
  }

  // ---- damage -----------------------------------------------------------------------------------------------------

  /** Keeps the bytes of parts that the merge could not read wholly, with a report of what is lost. */
  #keepDamaged(plan: MergePlan, lost: readonly LostBlocks[]): void {
    for (const [i, { id }] of plan.parts.entries()) {
      const ofPart = lost.filter(({ part }) => part === i);
      if (ofPart.length === 0) continue;
      const kept = this.#keep(plan.partition, id, [`${this.#files.path(plan.partition)}/parts/${id}`], lostReport(ofPart));
      const blocks = ofPart.reduce((sum, { blockCount }) => sum + blockCount, 0);
      this.#damagedBlocks += blocks;
      this.#quarantinedParts++;
      this.#files.logger.error(`part ${id} of partition ${plan.partition} is damaged: ${summary(ofPart)}; the rest was merged, the part is kept in ${kept}`);
    }
  }

  #keep(partition: string, id: number, paths: readonly string[], reason: string): string {
    return keepInQuarantine(this.#files.files, this.#files.directory, `${partition}-${id}`, paths, reason);
  }

  /**
   * Takes a part or index segment out of service that somebody could not read, if it cannot be read now either. Errors of the disk, which may pass, must
   * last for some attempts and time.
   */
  *quarantine(partition: string, id: number, reason: string): Steps<void> {
    if (this.#merging.has(id)) return;
    const entry = this.#files.state.partitions.find(({ name }) => name === partition);
    const part = entry?.parts.find((one) => one.id === id);
    const segment = entry?.indexSegments.find((one) => one.id === id);
    if (part !== undefined) this.#takeOutPart(partition, part, reason);
    if (segment !== undefined) yield* this.#takeOutSegment(partition, segment, reason);
  }

  /** Whether the part was taken out. */
  #takeOutPart(partition: string, part: ManifestPart, reason: string): boolean {
    const path = `${this.#files.path(partition)}/parts/${part.id}`;
    const verdict = this.#verdict(part.id, () => Part.open(this.#files.files, path).close());
    if (verdict?.isLasting !== true) return false;
    const kept = this.#keep(partition, part.id, [path], `${reason}\n${verdict.reason}\n${describePart(part)}`);
    this.#drop(partition, part, undefined);
    this.#quarantinedParts++;
    this.#files.logger.error(`part ${part.id} of partition ${partition} cannot be read and is kept in ${kept}; ${describePart(part)} are missing: ${verdict.reason}`);
    return true;
  }

  *#takeOutSegment(partition: string, segment: ManifestIndexSegment, reason: string): Steps<void> {
    const path = `${this.#files.path(partition)}/${segment.files[0]}`;
    const verdict = this.#verdict(segment.id, () => {
      using open = IndexSegment.open(this.#files.files, path);
      for (const _rows of open.batches());
    });
    if (verdict?.isLasting !== true) return;
    const kept = this.#keep(partition, segment.id, [path], `${reason}\n${verdict.reason}\n${segment.seriesCount} series`);
    this.#drop(partition, undefined, segment);
    this.#quarantinedIndexSegments++;
    this.#files.logger.error(`index segment ${segment.id} of partition ${partition} cannot be read and is kept in ${kept}; ${segment.seriesCount} series of it cannot be found in that month, unless they get new samples: ${verdict.reason}`);
    this.#options.onIndexLost(partition, yield* this.#seriesLeft(partition));
  }

  /** What is wrong now; undefined: nothing. */
  #verdict(id: number, open: () => void): Verdict {
    try {
      open();
      this.#failing.delete(id);
      return undefined;
    } catch (error) {
      if (isDamage(error)) return { isLasting: true, reason: String(error) };
      if (fileErrorCode(error) === undefined) throw error;
      const nowMs = this.#files.clock.nowMs();
      const failing = this.#failing.get(id) ?? { attempts: 0, sinceMs: nowMs };
      failing.attempts++;
      this.#failing.set(id, failing);
      return { isLasting: failing.attempts >= lastingAttempts && nowMs - failing.sinceMs >= lastingMs, reason: String(error) };
    }
  }

  #drop(partition: string, part: ManifestPart | undefined, segment: ManifestIndexSegment | undefined): void {
    this.#files.commit(withPartition(this.#files.state, partition, (old) => ({
      ...old,
      parts: old.parts.filter((one) => one !== part),
      indexSegments: old.indexSegments.filter((one) => one !== segment),
    })));
    if (part !== undefined) this.#options.maxLogRows.delete(part.id);
    this.#files.removeLater(partition, part === undefined ? [] : [part], segment === undefined ? [] : [segment]);
  }

  /** The series that the segments of a partition's index have. */
  *#seriesLeft(partition: string): Steps<SeriesSet> {
    const left = new SeriesSet();
    for (const { files } of this.#files.state.partitions.find(({ name }) => name === partition)?.indexSegments ?? []) {
      try {
        using segment = IndexSegment.open(this.#files.files, `${this.#files.path(partition)}/${files[0]}`);
        for (const { rowCount, seriesIds } of segment.batches()) {
          for (let i = 0; i < rowCount; i++) left.add(seriesIds[i]);
          yield;
        }
      } catch (error) {
        if (!isDamage(error) && fileErrorCode(error) === undefined) throw error; // its series are written anew
      }
    }
    return left;
  }
}

/** Whether an error is about what is in a file, or that it is gone, rather than about the disk. */
function isDamage(error: unknown): boolean {
  return (error instanceof StorageError && error.code.startsWith("corrupt_")) || fileErrorCode(error) === "ENOENT";
}

function describePart({ seriesCount, sampleCount, minMs, maxMs }: ManifestPart): string {
  return `${sampleCount} samples of ${seriesCount} series from ${time(minMs)} to ${time(maxMs)}`;
}

function summary(lost: readonly LostBlocks[]): string {
  const blocks = lost.reduce((sum, { blockCount }) => sum + blockCount, 0);
  const groups = lost.filter(({ blockCount }) => blockCount === 0).length;
  return `${blocks} blocks${groups > 0 ? ` and ${groups} groups of blocks` : ""} cannot be read`;
}

function lostReport(lost: readonly LostBlocks[]): string {
  const lines = lost.slice(0, reportedMax).map(({ fromSeriesId, toSeriesId, minMs, maxMs, blockCount }) => {
    const series = fromSeriesId === toSeriesId ? `series ${fromSeriesId}` : `blocks of some series from ${fromSeriesId} to ${toSeriesId}`;
    return `${series}, ${time(minMs)} to ${time(maxMs)}${blockCount > 1 ? `, ${blockCount} blocks` : ""}`;
  });
  if (lost.length > reportedMax) lines.push(`and ${lost.length - reportedMax} more`);
  return [`${summary(lost)}:`, ...lines].join("\n");
}

function time(timestampMs: number): string {
  return new Date(timestampMs).toISOString();
}
