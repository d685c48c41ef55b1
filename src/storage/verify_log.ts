/**
 * Reads the whole log that counts, from the checkpoint's segment on, and says what is wrong with it. The end of the newest segment may be torn: a write
 * was going on when the process or machine stopped, and nothing in it was acknowledged. Damage within the last record looks the same.
 */
import { StorageError } from "../base/errors.ts";
import type { FileSystem } from "../disk/file_system.ts";
import { Kernel } from "../kernel/kernel.ts";
import { expandedLogRowBytes, logRowsHeaderBytes } from "../kernel/log_rows.ts";
import { logRecordTypes, visitLogExemplars, visitLogMetadata, visitLogSeries } from "./log_payload.ts";
import { type LogIssue, LogReader } from "./log_reader.ts";
import { logSegmentNumbers, logSegmentPath } from "./log_segment.ts";
import type { ManifestState } from "./manifest_state.ts";
import type { SeriesSet } from "./series_set.ts";
import { FileFindings } from "./verify_report.ts";

export interface VerifyLogOptions {
  readonly files: FileSystem;
  /** The log's own directory. */
  readonly directory: string;
  readonly state: ManifestState;
  /** Series of all partitions; those of the log are added. undefined if an index is damaged: then unknown series say nothing. */
  readonly knownSeries: SeriesSet | undefined;
}

/** Yields the name of each file when it was read; returns what was found, by file. */
export function* verifyLogSteps(options: VerifyLogOptions): Generator<string, FileFindings[]> {
  const verifier = new LogVerifier(options);
  yield* verifier.readSegments();
  return verifier.findings();
}

const ignoredKinds: readonly LogIssue["kind"][] = ["torn_tail", "unfinished_segment"];

const issueTexts: Readonly<Record<LogIssue["kind"], string>> = {
  torn_tail: "the segment is cut, or damaged from here to its end",
  damaged_records: "damaged records",
  damaged_header: "the header of the segment is damaged",
  unfinished_segment: "the segment was never in use: its header was not written",
  foreign_segment: "the segment belongs to another data directory",
  missing_segment: "the segment is missing, a later one names it",
  unreadable: "the disk refuses to read it",
};

class LogVerifier {
  readonly #options: VerifyLogOptions;
  readonly #numbers: readonly number[];
  readonly #byName = new Map<string, FileFindings>();
  readonly #kernel = new Kernel();

  constructor(options: VerifyLogOptions) {
    this.#options = options;
    const { files, directory, state } = options;
    const names = files.exists(directory) ? files.list(directory) : [];
    this.#numbers = logSegmentNumbers(names);
    for (const number of this.#numbers) this.#of(number).sizeBytes = files.size(logSegmentPath(directory, number));
    for (const number of this.#numbers.filter((one) => one < state.checkpoint.segment)) this.#of(number).warn("no longer needed: the next checkpoint removes it");
    for (const name of names) {
      const isSegment = this.#numbers.some((number) => logSegmentPath(directory, number).endsWith(`/${name}`));
      if (!isSegment) this.#named(name).warn("is not a log segment; nothing reads it");
    }
  }

  #named(name: string): FileFindings {
    const known = this.#byName.get(name) ?? new FileFindings(`log/${name}`, "log");
    this.#byName.set(name, known);
    return known;
  }

  #of(number: number): FileFindings {
    return this.#named(logSegmentPath("", number).slice(1));
  }

  findings(): FileFindings[] {
    return [...this.#byName.values()].sort((left, right) => (left.path < right.path ? -1 : 1));
  }

  *readSegments(): Generator<string, void> {
    const { files, directory, state } = this.#options;
    const reader = this.#reader(files, directory, state);
    if (reader === undefined) return;
    while (reader.visitNextSegment((type, version, payload, size, segment) => this.#checkRecord(this.#of(segment), type, version, payload, size))) yield "log";
    const recovery = reader.recovery();
    for (const issue of recovery.issues) this.#reportIssue(issue);
  }

  #reader(files: FileSystem, directory: string, state: ManifestState): LogReader | undefined {
    try {
      return new LogReader({ files, directory, directoryId: state.directoryId, firstSegment: state.checkpoint.segment, kernel: this.#kernel });
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.#named(error.message.match(/[0-9a-f]{8}\.log/)?.[0] ?? "").damage(error.message);
      return undefined;
    }
  }

  #reportIssue({ kind, segment, offset, sizeBytes }: LogIssue): void {
    const findings = this.#of(segment);
    const isNewest = segment === this.#numbers.at(-1);
    if (ignoredKinds.includes(kind) && isNewest) {
      const text = kind === "torn_tail" ? "ends in a write that was not finished, which nobody was told of (damage of the last record looks the same)" : issueTexts[kind];
      findings.warn(text, { offset, sizeBytes });
    } else if (kind === "unfinished_segment") {
      findings.warn(issueTexts[kind]); // a later segment that names it says so in its own finding
    } else {
      findings.damage(issueTexts[kind], { offset, sizeBytes });
    }
  }

  #checkRecord(findings: FileFindings, type: number, version: number, payload: number, size: number): void {
    const bytes = this.#kernel.u8;
    count(findings, "records", 1);
    const end = payload + Math.ceil(size / 8) * 8;
    for (let i = payload + size; i < end; i++) if (bytes[i] !== 0) findings.damage("the padding of a record is not zero");
    const known = Object.values(logRecordTypes).find((one) => one.type === type);
    if (known === undefined || version < 1 || version > known.version) return findings.warn(`a record of type ${type}, version ${version}, is not known and was passed over`);
    const record = bytes.slice(payload, payload + size);
    if (type === logRecordTypes.samples.type) this.#checkSamples(findings, record);
    else if (type === logRecordTypes.newSeries.type) this.#checkSeries(findings, record);
    else if (type === logRecordTypes.metadata.type && !visitLogMetadata(record, () => count(findings, "metadata", 1))) findings.damage("a record of metadata is malformed");
    else if (type === logRecordTypes.exemplars.type && !visitLogExemplars(record, () => count(findings, "exemplars", 1))) findings.damage("a record of exemplars is malformed");
  }

  #checkSeries(findings: FileFindings, record: Uint8Array): void {
    const isWhole = visitLogSeries(record, (seriesId) => {
      this.#options.knownSeries?.add(seriesId);
      count(findings, "series", 1);
    });
    if (!isWhole) findings.damage("a record of new series is malformed");
  }

  #checkSamples(findings: FileFindings, record: Uint8Array): void {
    const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
    const rowCount = record.length < logRowsHeaderBytes ? -1 : view.getUint32(16, true);
    if (record.length !== logRowsHeaderBytes + rowCount * expandedLogRowBytes) return findings.damage("a record of samples is malformed");
    count(findings, "rows", rowCount);
    const firstLogRow = view.getFloat64(0, true);
    const { knownSeries, state } = this.#options;
    for (let i = 0; i < rowCount && knownSeries !== undefined; i++) {
      const seriesId = view.getUint32(logRowsHeaderBytes + i * expandedLogRowBytes, true);
      if (firstLogRow + i > state.checkpoint.logRow && !knownSeries.has(seriesId)) return findings.damage(`row ${firstLogRow + i} is of series ${seriesId}, which nothing describes`);
    }
  }
}

function count(findings: FileFindings, name: string, by: number): void {
  findings.counts[name] = (findings.counts[name] ?? 0) + by;
}
