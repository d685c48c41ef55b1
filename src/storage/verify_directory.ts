/**
 * Reads a whole data directory that no process has open, and says what is wrong with it; changes nothing. Manifests, then each partition (index segments
 * first: they say which series there may be; then parts), then the log, then what belongs to nothing.
 *
 * Every checksum is checked and every block decoded, and what files say about each other is compared. Memory: the index segment that is read, some
 * megabytes, five bytes for each series id, and 16 for each series of the month that is read.
 */
import { StorageError } from "../base/errors.ts";
import { fileErrorCode } from "../disk/file_error.ts";
import { type FileSystem, readFile } from "../disk/file_system.ts";
import { decodeLabelRun, type Labels } from "../model/labels.ts";
import { ownerOf, type ProcessTable } from "./directory_lock.ts";
import { formatProblem, storageFormats } from "./formats.ts";
import { findOrphans, quarantineName } from "./manifest_orphans.ts";
import { decodeManifest, type ManifestIndexSegment, type ManifestPart, type ManifestPartition, type ManifestState } from "./manifest_state.ts";
import { Part } from "./part.ts";
import { type PartProblem, verifyPartSteps } from "./part_verify.ts";
import { partFiles } from "./part_writer.ts";
import { partitionNamed } from "./partition.ts";
import { IndexSegment } from "./partition_index.ts";
import { SeriesSet } from "./series_set.ts";
import { SegmentActivity } from "./verify_activity.ts";
import { verifyIndexSteps } from "./verify_index.ts";
import { verifyLogSteps } from "./verify_log.ts";
import { type DirectoryReport, FileFindings, type Finding, type Loss, type VerifyProgress } from "./verify_report.ts";

export interface VerifyOptions {
  readonly files: FileSystem;
  readonly directory: string;
  readonly processes: ProcessTable;
}

/**
 * Throws StorageError when the directory cannot be verified: "directory_locked" (a process has it open, or opened it meanwhile), "missing_manifest" (it is
 * no data directory), "unsupported_format", "disk_error" (it cannot be listed).
 */
export function* verifyDirectory(options: VerifyOptions): Generator<VerifyProgress, DirectoryReport> {
  checkIsFree(options);
  const verifier = new DirectoryVerifier(options);
  const report = yield* verifier.run();
  checkIsFree(options);
  return report;
}

function checkIsFree({ files, directory, processes }: VerifyOptions): void {
  if (!files.isDirectory(directory)) throw new StorageError("missing_manifest", `${directory} is not a directory`);
  const owner = ownerOf(files, directory, processes);
  if (owner === undefined) return;
  const since = new Date(owner.sinceMs).toISOString();
  throw new StorageError("directory_locked", `data directory ${directory} is in use by process ${owner.pid} since ${since}: its files change while they are read; stop it first`);
}

/** Label hashes are kept for ids up to this one, 256 MB. */
const hashedIdsMax = 1 << 26;
/** In one partition. */
const lossesNamedMax = 1000;

/** What the index segments of a partition say. */
interface PartitionSeries {
  readonly ids: SeriesSet;
  /** Of the segments whose times are exact for some parts. */
  readonly activities: SegmentActivity[];
}

class DirectoryVerifier {
  readonly #files: FileSystem;
  readonly #directory: string;
  readonly #reports: FileFindings[] = [];
  readonly #known = new SeriesSet();
  /** By series id: hash of its labels, 0 if not seen. */
  #labelHashes = new Uint32Array(1024);
  #isIndexSound = true;
  /** Of the partition that is being read, to be given the labels of their series. */
  readonly #losses: Loss[] = [];
  #seriesCount = 0;
  #doneBytes = 0;
  #totalBytes = 0;

  constructor({ files, directory }: VerifyOptions) {
    this.#files = files;
    this.#directory = directory;
  }

  *run(): Generator<VerifyProgress, DirectoryReport> {
    const state = this.#readManifests();
    if (state === undefined) return this.#report(undefined);
    this.#totalBytes = this.#sizeOf(state);
    for (const partition of state.partitions) yield* this.#checkPartition(partition, state);
    yield* this.#checkLog(state);
    this.#findUnused(state);
    return this.#report(state);
  }

  // ---- manifest -----------------------------------------------------------------------------------------------------

  /** The state to go by: that of the manifest, or of the copy before it if it is damaged. */
  #readManifests(): ManifestState | undefined {
    const current = this.#readManifest("manifest");
    const previous = this.#readManifest("manifest.previous");
    if (current === undefined && previous === undefined && !this.#hasData()) {
      throw new StorageError("missing_manifest", `${this.#directory} holds no data: it has no manifest`);
    }
    if (current === undefined) this.#add("manifest", "manifest").damage(previous === undefined ? "is missing" : "is missing; manifest.previous is used");
    if (current?.state !== undefined && previous?.state !== undefined && current.state.directoryId !== previous.state.directoryId) {
      previous.findings.damage("belongs to another data directory");
    }
    if (current?.state === undefined && previous?.state !== undefined) current?.findings.warn("manifest.previous is used: changes since then are unknown");
    return current?.state ?? previous?.state;
  }

  #readManifest(name: string): { findings: FileFindings; state: ManifestState | undefined } | undefined {
    const path = `${this.#directory}/${name}`;
    if (!this.#files.exists(path)) return undefined;
    const findings = this.#add(name, "manifest");
    const state = this.#reading(findings, () => {
      const bytes = readFile(this.#files, path);
      findings.sizeBytes = bytes.length;
      const decoded = decodeManifest(bytes, path);
      const problem = formatProblem(decoded.formats, storageFormats);
      if (problem !== undefined) throw new StorageError("unsupported_format", `${path} says that the directory has ${problem}`);
      return decoded;
    });
    return { findings, state };
  }

  #hasData(): boolean {
    return ["log", "partitions"].some((name) => this.#files.isDirectory(`${this.#directory}/${name}`) && this.#files.list(`${this.#directory}/${name}`).length > 0);
  }

  #add(path: string, kind: FileFindings["kind"]): FileFindings {
    const findings = new FileFindings(path, kind);
    this.#reports.push(findings);
    return findings;
  }

  /** Runs `work`; what it says about contents and the disk becomes a finding. A newer format stops the verification. */
  #reading<T>(findings: FileFindings, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (error instanceof StorageError && error.code === "unsupported_format") throw error;
      if (!(error instanceof StorageError) && fileErrorCode(error) === undefined) throw error;
      findings.damage(fileErrorCode(error) === "ENOENT" ? "is missing" : (error as Error).message);
      return undefined;
    }
  }

  #sizeOf(state: ManifestState): number {
    return state.partitions.flatMap(({ parts, indexSegments }) => [...parts, ...indexSegments]).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  #progress(path: string, extraBytes = 0): VerifyProgress {
    return { path, doneBytes: this.#doneBytes + extraBytes, totalBytes: this.#totalBytes };
  }

  // ---- partitions ---------------------------------------------------------------------------------------------------

  *#checkPartition(partition: ManifestPartition, state: ManifestState): Generator<VerifyProgress, void> {
    const known: PartitionSeries = { ids: new SeriesSet(), activities: [] };
    let isIndexSound = true;
    for (const segment of partition.indexSegments) {
      const findings = yield* this.#checkIndex(partition, segment, state, known);
      isIndexSound &&= findings.report().status !== "damaged";
    }
    this.#isIndexSound &&= isIndexSound;
    this.#losses.length = 0;
    for (const part of partition.parts) yield* this.#checkPart(partition, part, state, isIndexSound ? known : undefined);
    if (this.#losses.length > 0) this.#nameLosses(partition);
  }

  /** Looks up the labels of lost series in the index segments that can be read. */
  #nameLosses(partition: ManifestPartition): void {
    const labels = new Map<number, string>();
    for (const { firstSeriesId, lastSeriesId } of this.#losses) for (const id of [firstSeriesId, lastSeriesId]) if (id !== undefined) labels.set(id, "");
    for (const { files } of partition.indexSegments) {
      const ignored = new FileFindings("", "index"); // what is wrong with the segment has been said
      this.#reading(ignored, () => {
        using segment = IndexSegment.open(this.#files, `${this.#directory}/partitions/${partition.name}/${files[0]}`);
        for (const rows of segment.batches()) {
          for (let i = 0; i < rows.rowCount; i++) {
            if (labels.has(rows.seriesIds[i])) labels.set(rows.seriesIds[i], printLabels(decodeLabelRun(rows.labels, rows.labelOffsets[i], rows.labelOffsets[i + 1])));
          }
        }
      });
    }
    for (const loss of this.#losses) {
      loss.firstSeries = labels.get(loss.firstSeriesId) || undefined;
      loss.lastSeries = labels.get(loss.lastSeriesId ?? 0) || undefined;
    }
  }

  *#checkIndex(partition: ManifestPartition, segment: ManifestIndexSegment, state: ManifestState, known: PartitionSeries): Generator<VerifyProgress, FileFindings> {
    const path = `partitions/${partition.name}/${segment.files[0]}`;
    const findings = this.#add(path, "index");
    yield this.#progress(path);
    using opened = this.#reading(findings, () => IndexSegment.open(this.#files, `${this.#directory}/${path}`));
    if (opened !== undefined) {
      findings.sizeBytes = opened.sizeBytes;
      findings.counts["series"] = opened.rowCount;
      if (opened.sizeBytes !== segment.sizeBytes || opened.rowCount !== segment.seriesCount) {
        findings.damage(`has ${opened.rowCount} series in ${opened.sizeBytes} bytes, the manifest says ${segment.seriesCount} in ${segment.sizeBytes}`);
      }
      this.#checkReserved(findings, path);
      const month = partitionNamed(partition.name);
      const activity = segment.activityPartId === undefined || month === undefined ? undefined : new SegmentActivity(month, segment.activityPartId, opened.rowCount);
      if (activity !== undefined) known.activities.push(activity);
      const steps = verifyIndexSteps(opened, ({ message, ...where }) => findings.damage(message, where), (rows, row, hash) => {
        known.ids.add(rows.seriesIds[row]);
        activity?.add(rows, row);
        this.#checkSeries(findings, rows.seriesIds[row], hash, state);
      });
      while (this.#reading(findings, () => steps.next().done) === false) yield this.#progress(path);
    }
    this.#doneBytes += segment.sizeBytes;
    return findings;
  }

  /** A series id is below the next one to be given, and means the same labels everywhere. */
  #checkSeries(findings: FileFindings, seriesId: number, labelsHash: number, state: ManifestState): void {
    if (seriesId >= state.nextSeriesId) findings.damage(`series id ${seriesId} has not been given yet: the manifest's next one is ${state.nextSeriesId}`);
    if (!this.#known.has(seriesId)) this.#seriesCount++;
    this.#known.add(seriesId);
    if (seriesId >= hashedIdsMax) return;
    if (seriesId >= this.#labelHashes.length) {
      const larger = new Uint32Array(Math.max(seriesId + 1, Math.min(this.#labelHashes.length * 2, hashedIdsMax)));
      larger.set(this.#labelHashes);
      this.#labelHashes = larger;
    }
    const before = this.#labelHashes[seriesId];
    this.#labelHashes[seriesId] = labelsHash || 1;
    if (before !== 0 && before !== (labelsHash || 1)) findings.damage(`series id ${seriesId} has other labels in another index segment`);
  }

  /** The last four bytes of the 16 that part and index files begin with are 0; no checksum covers them. */
  #checkReserved(findings: FileFindings, path: string): void {
    this.#reading(findings, () => {
      using file = this.#files.open(`${this.#directory}/${path}`, "read");
      const header = new Uint8Array(16);
      file.read(header, 0);
      if (header.subarray(12).some((byte) => byte !== 0)) findings.damage("reserved bytes of the header are not zero", { offset: 12, sizeBytes: 4 });
    });
  }

  *#checkPart(partition: ManifestPartition, part: ManifestPart, state: ManifestState, known: PartitionSeries | undefined): Generator<VerifyProgress, void> {
    const path = `partitions/${partition.name}/parts/${part.id}`;
    const findings = this.#add(path, "part");
    yield this.#progress(path);
    using opened = this.#reading(findings, () => Part.open(this.#files, `${this.#directory}/${path}`));
    if (opened !== undefined) {
      yield* this.#checkBlocks(findings, path, opened, part.id, known);
      this.#checkPartSummary(findings, partition, part, opened);
      const rows = this.#reading(findings, () => opened.lastLogRows());
      if (rows !== undefined) this.#checkLogRows(findings, path, rows, known?.ids);
      if (opened.groupCount > 0 && part.id >= state.nextPartId) findings.damage(`part id ${part.id} has not been given yet`);
    }
    for (const file of part.files) {
      const filePath = `partitions/${partition.name}/${file}`;
      if (!this.#files.exists(`${this.#directory}/${filePath}`)) findings.damage(`${file.split("/").at(-1)} is missing`);
    }
    this.#doneBytes += part.sizeBytes;
  }

  *#checkBlocks(findings: FileFindings, path: string, part: Part, partId: number, known: PartitionSeries | undefined): Generator<VerifyProgress, void> {
    findings.counts["samples"] = part.totals.sampleCount;
    findings.counts["series"] = part.totals.seriesCount;
    findings.counts["blocks"] = part.totals.blockCount;
    this.#checkReserved(findings, `${path}/${partFiles.blocks}`);
    const activities = (known?.activities ?? []).filter(({ partIdMax }) => partId <= partIdMax);
    let unknownCount = 0;
    let outsideCount = 0;
    const steps = verifyPartSteps(part, (problem) => findings.damage(`${partFiles.blocks}: ${problem.message}`, this.#findingOf(problem)), (list) => {
      for (let i = 0; i < list.count && known !== undefined; i++) {
        if (!known.ids.has(list.seriesIds[i]) && unknownCount++ === 0) findings.damage(`series ${list.seriesIds[i]} is not in the index of the partition`);
      }
      for (const activity of activities) {
        activity.check(list, (seriesId) => {
          if (outsideCount++ === 0) findings.damage(`series ${seriesId} has samples at times at which the index says that it has none: queries may leave them out`);
        });
      }
    });
    for (;;) {
      const step = this.#reading(findings, () => steps.next());
      if (step === undefined || step.done === true) return;
      yield this.#progress(path, step.value);
    }
  }

  #findingOf({ offset, sizeBytes, lost }: PartProblem): Omit<Finding, "severity" | "message"> {
    if (lost === undefined) return { offset, sizeBytes };
    const { sampleCount, firstSeriesId, lastSeriesId, minMs, maxMs } = lost;
    const loss: Loss = { sampleCount, firstSeriesId, lastSeriesId: Number.isFinite(lastSeriesId) ? lastSeriesId : undefined, minMs, maxMs };
    if (this.#losses.length < lossesNamedMax) this.#losses.push(loss);
    return { offset, sizeBytes, lost: loss };
  }

  #checkPartSummary(findings: FileFindings, partition: ManifestPartition, part: ManifestPart, { totals }: Part): void {
    const sizes = part.files.map((file) => `${this.#directory}/partitions/${partition.name}/${file}`).filter((file) => this.#files.exists(file));
    findings.sizeBytes = sizes.reduce((sum, file) => sum + this.#files.size(file), 0);
    const isAsNamed = totals.seriesCount === part.seriesCount && totals.sampleCount === part.sampleCount && totals.minMs === part.minMs && totals.maxMs === part.maxMs;
    if (!isAsNamed || findings.sizeBytes !== part.sizeBytes) {
      const printed = (of: { seriesCount: number; sampleCount: number }, sizeBytes: number): string => `${of.sampleCount} samples of ${of.seriesCount} series in ${sizeBytes} bytes`;
      findings.damage(`has ${printed(totals, findings.sizeBytes)}, the manifest says ${printed(part, part.sizeBytes)}`);
    }
    const month = partitionNamed(partition.name);
    if (month === undefined || (totals.sampleCount > 0 && (totals.minMs < month.minMs || totals.maxMs > month.maxMs))) findings.damage("has samples that do not belong to its partition");
  }

  #checkLogRows(findings: FileFindings, path: string, rows: { seriesIds: Uint32Array }, known: SeriesSet | undefined): void {
    this.#checkReserved(findings, `${path}/${partFiles.logRows}`);
    for (let i = 0; i < rows.seriesIds.length; i++) {
      const seriesId = rows.seriesIds[i];
      if (i > 0 && seriesId <= rows.seriesIds[i - 1]) return findings.damage(`${partFiles.logRows}: series ids are out of order`);
      if (known !== undefined && !known.has(seriesId)) return findings.damage(`${partFiles.logRows}: series ${seriesId} is not in the index of the partition`);
    }
  }

  // ---- the rest -----------------------------------------------------------------------------------------------------

  *#checkLog(state: ManifestState): Generator<VerifyProgress, void> {
    const steps = verifyLogSteps({ files: this.#files, directory: `${this.#directory}/log`, state, knownSeries: this.#isIndexSound ? this.#known : undefined });
    for (;;) {
      const step = steps.next();
      if (step.done === true) {
        this.#reports.push(...step.value);
        // The first record makes the segment, so after an orderly stop there may be none. The lock stays behind when the process was killed.
        if (step.value.length === 0 && this.#files.exists(`${this.#directory}/lock`)) {
          this.#add("log", "log").warn("there is no log since the last checkpoint, although the process did not stop in order: if it had taken samples since, they are lost");
        }
        return;
      }
      yield this.#progress(step.value);
    }
  }

  #findUnused(state: ManifestState): void {
    for (const orphan of findOrphans(this.#files, this.#directory, state)) {
      this.#add(orphan, "unused").warn("belongs to nothing: a crash has left it, and the next start removes it");
    }
    const expected = ["manifest", "manifest.previous", "log", "partitions", quarantineName, "lock"];
    for (const name of this.#files.list(this.#directory)) {
      if (expected.includes(name) || name.startsWith("lock.")) continue;
      this.#add(name, "unused").warn(name.endsWith(".tmp") ? "was being written when the process stopped" : "is nothing that belongs to a data directory");
    }
  }

  #reasonOf(path: string): string | undefined {
    if (!this.#files.exists(path)) return undefined;
    return this.#reading(new FileFindings("", "unused"), () => new TextDecoder().decode(readFile(this.#files, path)).slice(0, 1000).trim());
  }

  #report(state: ManifestState | undefined): DirectoryReport {
    const files = this.#reports.map((findings) => findings.report());
    const quarantine = `${this.#directory}/${quarantineName}`;
    const sumOf = (kind: string, count: string): number => files.reduce((sum, file) => sum + (file.kind === kind ? (file.counts[count] ?? 0) : 0), 0);
    const countOf = (kind: string): number => files.filter((file) => file.kind === kind).length;
    return {
      directory: this.#directory,
      directoryId: state?.directoryId,
      formats: state?.formats ?? {},
      shardCount: state?.shardCount ?? 0,
      isSound: files.every(({ status }) => status !== "damaged"),
      files,
      quarantine: this.#files.isDirectory(quarantine) ? this.#files.list(quarantine).map((name) => ({ name, reason: this.#reasonOf(`${quarantine}/${name}/reason.txt`) })) : [],
      totals: {
        partitions: state?.partitions.length ?? 0,
        parts: countOf("part"),
        indexSegments: countOf("index"),
        logSegments: countOf("log"),
        bytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
        samples: sumOf("part", "samples"),
        series: this.#seriesCount,
        logRows: sumOf("log", "rows"),
        damagedFiles: files.filter(({ status }) => status === "damaged").length,
        warnings: files.flatMap(({ findings }) => findings).filter(({ severity }) => severity === "warning").length,
      },
    };
  }
}

function printLabels(labels: Labels): string {
  return `{${labels.map(({ name, value }) => `${name}=${JSON.stringify(value)}`).join(",")}}`;
}
