/** What the verification of a data directory finds out, as plain data: `tidemark ctl verify` prints it, as text or as JSON. */

/** damage: data is lost, or may be. warning: nothing is lost, but somebody should know. */
export type FindingSeverity = "damage" | "warning";

export interface Finding {
  readonly severity: FindingSeverity;
  readonly message: string;
  /** Where in the file. */
  readonly offset?: number;
  readonly sizeBytes?: number;
  readonly lost?: Loss;
}

/** Samples that cannot be read because of a finding. */
export interface Loss {
  /** 0 if that is not known, because the headers are lost. */
  readonly sampleCount: number;
  /** Inclusive; the last one is left out where it is not known. */
  readonly firstSeriesId: number;
  readonly lastSeriesId?: number;
  /** Their labels, if the index knows them. */
  firstSeries?: string;
  lastSeries?: string;
  readonly minMs: number;
  readonly maxMs: number;
}

export type FileKind = "manifest" | "index" | "part" | "log" | "lock" | "unused";

export interface FileReport {
  /** Relative to the data directory. */
  readonly path: string;
  readonly kind: FileKind;
  /** 0 if it is missing. */
  readonly sizeBytes: number;
  readonly status: "ok" | "warning" | "damaged";
  /** Figures in the user's words: samples, series, records, rows. */
  readonly counts: Readonly<Record<string, number>>;
  /** The first `findingsPerFileMax`. */
  readonly findings: readonly Finding[];
  readonly findingCount: number;
}

export const findingsPerFileMax = 100;

export interface DirectoryReport {
  readonly directory: string;
  /** undefined if no manifest can be read: then only the manifests were looked at. */
  readonly directoryId: string | undefined;
  readonly formats: Readonly<Record<string, number>>;
  readonly shardCount: number;
  readonly isSound: boolean;
  readonly files: readonly FileReport[];
  /** What was set aside as damaged earlier: names in the folder, and why as far as it is known. */
  readonly quarantine: readonly { readonly name: string; readonly reason: string | undefined }[];
  readonly totals: DirectoryTotals;
}

export interface DirectoryTotals {
  readonly partitions: number;
  readonly parts: number;
  readonly indexSegments: number;
  readonly logSegments: number;
  readonly bytes: number;
  /** Samples in parts that could be read. */
  readonly samples: number;
  /** Distinct series of all partitions. */
  readonly series: number;
  readonly logRows: number;
  readonly damagedFiles: number;
  readonly warnings: number;
}

/** Yielded now and then. */
export interface VerifyProgress {
  /** The file that is being read. */
  readonly path: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** Collects what is found in one file. */
export class FileFindings {
  readonly path: string;
  readonly kind: FileKind;
  readonly counts: Record<string, number> = {};
  sizeBytes = 0;
  readonly #findings: Finding[] = [];
  #findingCount = 0;
  #isDamaged = false;

  constructor(path: string, kind: FileKind) {
    this.path = path;
    this.kind = kind;
  }

  damage(message: string, where: Omit<Finding, "severity" | "message"> = {}): void {
    this.#isDamaged = true;
    this.#add({ severity: "damage", message, ...where });
  }

  warn(message: string, where: Omit<Finding, "severity" | "message"> = {}): void {
    this.#add({ severity: "warning", message, ...where });
  }

  #add(finding: Finding): void {
    this.#findingCount++;
    if (this.#findings.length < findingsPerFileMax) this.#findings.push(finding);
  }

  report(): FileReport {
    const status = this.#isDamaged ? "damaged" : this.#findingCount > 0 ? "warning" : "ok";
    const { path, kind, sizeBytes, counts } = this;
    return { path, kind, sizeBytes, status, counts, findings: this.#findings, findingCount: this.#findingCount };
  }
}
