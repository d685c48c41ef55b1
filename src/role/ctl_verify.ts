/**
 * `tidemark ctl verify <directory>`: reads a whole data directory that no process has open, and reports damage. Nothing is changed. The report goes to
 * standard output, how far it is to standard error. Exit codes: 0 sound, 1 damaged, 2 it could not be verified.
 */
import { StorageError } from "../base/errors.ts";
import { fileErrorCode } from "../disk/file_error.ts";
import { RealFileSystem } from "../disk/real_file_system.ts";
import { systemProcesses } from "../storage/directory_lock.ts";
import { verifyDirectory } from "../storage/verify_directory.ts";
import type { DirectoryReport, FileReport, Finding, Loss, VerifyProgress } from "../storage/verify_report.ts";
import { parseToolArguments, printToolFlags } from "./ctl_arguments.ts";
import { verifyFlags } from "./flags_ctl.ts";

const help = `Usage: tidemark ctl verify [flags] <directory>

Reads every byte of a data directory (-storageDataPath) and reports what is damaged, where, and which samples are lost by it. The directory must not be
in use. Nothing is changed.

${printToolFlags(verifyFlags)}
Exit code: 0 sound, 1 damaged, 2 it could not be verified.
`;

/** Resolves with the exit code; throws FlagError for a wrong command line. */
export async function runVerify(commandArguments: readonly string[]): Promise<number> {
  const { values, operands, help: wantsHelp } = parseToolArguments(verifyFlags, commandArguments);
  if (wantsHelp) return print(help, 0);
  if (operands.length !== 1) return refuse(operands.length === 0 ? "which directory? tidemark ctl verify <directory>" : `one directory at a time, not ${operands.length}`);
  const startMs = performance.now();
  const progress = new ProgressLine(values.quiet);
  try {
    const report = verifyWithProgress(operands[0], progress);
    progress.clear();
    const seconds = (performance.now() - startMs) / 1000;
    return print(values.format === "json" ? JSON.stringify({ ...report, seconds }, undefined, 2) + "\n" : printReport(report, seconds), report.isSound ? 0 : 1);
  } catch (error) {
    progress.clear();
    if (error instanceof StorageError || fileErrorCode(error) !== undefined) return refuse((error as Error).message);
    throw error;
  }
}

function verifyWithProgress(directory: string, progress: ProgressLine): DirectoryReport {
  const steps = verifyDirectory({ files: new RealFileSystem(), directory: directory.replace(/(?<=.)\/+$/, ""), processes: systemProcesses });
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    progress.show(step.value);
  }
}

function print(text: string, code: number): Promise<number> {
  return new Promise((resolve) => process.stdout.write(text, () => resolve(code)));
}

function refuse(message: string): number {
  process.stderr.write(`tidemark: ${message}\n`);
  return 2;
}

/** On a terminal one line that is written over; elsewhere a line every ten seconds. */
class ProgressLine {
  readonly #isQuiet: boolean;
  readonly #isTerminal = process.stderr.isTTY;
  readonly #startMs = performance.now();
  #shownMs = this.#startMs;
  #isShown = false;

  constructor(isQuiet: boolean) {
    this.#isQuiet = isQuiet;
  }

  show({ path, doneBytes, totalBytes }: VerifyProgress): void {
    const nowMs = performance.now();
    if (this.#isQuiet || nowMs - this.#shownMs < (this.#isTerminal ? 200 : 10_000)) return;
    this.#shownMs = nowMs;
    const speed = doneBytes / 1000 / Math.max(1, nowMs - this.#startMs);
    const line = `${Math.floor((100 * doneBytes) / Math.max(1, totalBytes))} % of ${printSize(totalBytes)}, ${speed.toFixed(0)} MB/s: ${path}`;
    process.stderr.write(this.#isTerminal ? `\r\x1b[K${line.slice(0, Math.max(20, process.stderr.columns - 1))}` : line + "\n");
    this.#isShown = true;
  }

  clear(): void {
    if (this.#isShown && this.#isTerminal) process.stderr.write("\r\x1b[K");
  }
}

function printReport(report: DirectoryReport, seconds: number): string {
  const { files, quarantine, totals } = report;
  const lines = files.flatMap(printFile);
  if (quarantine.length > 0) lines.push("", "set aside in quarantine/ earlier, and not looked at:");
  for (const { name, reason } of quarantine) lines.push(`         ${name}${reason === undefined ? "" : `: ${reason.replaceAll("\n", "; ")}`}`);
  const { partitions, parts, indexSegments, logSegments, bytes, samples, series, logRows, damagedFiles, warnings } = totals;
  const formats = Object.entries(report.formats).map(([kind, version]) => `${kind} ${version}`).join(", ");
  lines.push(
    "",
    `${report.directory}: formats ${formats || "unknown"}; ${printCount(report.shardCount, "shard")}`,
    `${printCount(partitions, "partition")}, ${printCount(parts, "part")}, ${printCount(indexSegments, "index segment")}, ${printCount(logSegments, "log segment")}`,
    `${printCount(samples, "sample")} in parts, ${printCount(logRows, "row")} in the log, ${series.toLocaleString("en")} series`,
    `${printSize(bytes)} read in ${seconds.toFixed(1)} s: ${(bytes / 1e6 / seconds).toFixed(0)} MB/s, ${(samples / 1e6 / seconds).toFixed(1)} million samples/s`,
    damagedFiles > 0 ? `DAMAGED: ${printCount(damagedFiles, "file")}` : "sound: every byte was read and nothing is wrong",
  );
  if (warnings > 0) lines.push(`${printCount(warnings, "warning")}: nothing is lost by them`);
  return lines.join("\n") + "\n";
}

const marks = { ok: "ok      ", warning: "warning ", damaged: "DAMAGED " } as const;

function printFile({ path, status, sizeBytes, counts, findings, findingCount }: FileReport): string[] {
  const figures = [printSize(sizeBytes), ...Object.entries(counts).map(([name, count]) => `${count.toLocaleString("en")} ${name}`)].join(", ");
  const lines = [`${marks[status]} ${path}  ${figures}`, ...findings.flatMap(printFinding)];
  if (findingCount > findings.length) lines.push(`         and ${findingCount - findings.length} more`);
  return lines;
}

function printFinding({ message, offset, sizeBytes, lost }: Finding): string[] {
  const where = offset === undefined ? "" : ` (bytes ${offset} to ${offset + (sizeBytes ?? 0)})`;
  return [`         ${message}${where}`, ...(lost === undefined ? [] : [`           lost: ${printLoss(lost)}`])];
}

function printLoss({ sampleCount, firstSeriesId, lastSeriesId, firstSeries, lastSeries, minMs, maxMs }: Loss): string {
  const samples = sampleCount === 0 ? "samples" : printCount(sampleCount, "sample");
  const name = (id: number | undefined, labels: string | undefined): string => (id === undefined ? "the last one" : `${id}${labels === undefined ? "" : ` ${labels}`}`);
  const series = firstSeriesId === lastSeriesId ? `series ${name(firstSeriesId, firstSeries)}` : `series ${name(firstSeriesId, firstSeries)} to ${name(lastSeriesId, lastSeries)}`;
  return `${samples} of ${series}, ${new Date(minMs).toISOString()} to ${new Date(maxMs).toISOString()}`;
}

function printCount(count: number, noun: string): string {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

function printSize(sizeBytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  const unit = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, sizeBytes)) / 3)));
  return `${unit === 0 ? sizeBytes : (sizeBytes / 1000 ** unit).toFixed(1)} ${units[unit]}`;
}
