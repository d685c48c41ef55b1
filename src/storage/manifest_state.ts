/**
 * What the manifest says, and its text: one line of JSON and one line with the checksum of the first.
 *
 *   {"formatVersion":1,"directoryId":"...","fingerprintSeed":["...","..."],...}\n
 *   xxh64 <16 hexadecimal digits>\n
 */
import { StorageError } from "../base/errors.ts";
import { checksumHexOfBytes } from "../kernel/checksum.ts";

export const manifestFormatVersion = 1;

export interface ManifestState {
  /** 32 hexadecimal digits: which files belong together. */
  readonly directoryId: string;
  /** Two 64-bit numbers as 16 hexadecimal digits each. */
  readonly fingerprintSeed: readonly [string, string];
  readonly shardCount: number;
  /** For parts and index segments alike; never reused. */
  readonly nextPartId: number;
  /** Never reused. */
  readonly nextSeriesId: number;
  readonly checkpoint: ManifestCheckpoint;
  /** Format versions of the other files, by kind ("log", "part", "index"): a program that does not know one refuses the directory. */
  readonly formats: Readonly<Record<string, number>>;
  /** Sorted by name. */
  readonly partitions: readonly ManifestPartition[];
}

/** Log segments before `segment` are not needed: every row up to `logRow` is in parts. */
export interface ManifestCheckpoint {
  readonly segment: number;
  readonly logRow: number;
}

/** A month. File names are relative to the partition's directory, `partitions/<name>/`. */
export interface ManifestPartition {
  readonly name: string;
  readonly parts: readonly ManifestPart[];
  readonly indexSegments: readonly ManifestIndexSegment[];
  /** The part that the final merge of this past month has made: it is not done again, whatever comes late. */
  readonly finalPartId?: number;
}

export interface ManifestPart {
  readonly id: number;
  readonly files: readonly string[];
  readonly seriesCount: number;
  readonly sampleCount: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly sizeBytes: number;
  /** Newest row of the log that it holds; absent: unknown, or none. */
  readonly maxLogRow?: number;
  /** How its blocks are encoded; absent: fast. */
  readonly codec?: "compact";
}

export interface ManifestIndexSegment {
  readonly id: number;
  readonly files: readonly string[];
  readonly seriesCount: number;
  readonly sizeBytes: number;
  /** Times and days of its rows are those of all parts of the partition with ids up to this one. Absent: a hint only. */
  readonly activityPartId?: number;
}

export function encodeManifest(state: ManifestState): Uint8Array {
  const line = new TextEncoder().encode(JSON.stringify({ formatVersion: manifestFormatVersion, ...state }) + "\n");
  return Buffer.concat([line, new TextEncoder().encode(`xxh64 ${checksumHexOfBytes(line)}\n`)]);
}

/**
 * Throws StorageError "corrupt_manifest" if the bytes are not what encodeManifest has made, "unsupported_format" if a newer program has
 * written them.
 */
export function decodeManifest(bytes: Uint8Array, path: string): ManifestState {
  const corrupt = (reason: string, cause?: unknown): StorageError => new StorageError("corrupt_manifest", `${path} is damaged: ${reason}`, { cause });
  const lineEnd = bytes.indexOf(10) + 1;
  if (lineEnd === 0) throw corrupt("it has no checksum line");
  const line = bytes.subarray(0, lineEnd);
  const expected = `xxh64 ${checksumHexOfBytes(line)}\n`;
  if (new TextDecoder().decode(bytes.subarray(lineEnd)) !== expected) throw corrupt("its checksum is wrong");
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(line));
  } catch (error) {
    throw corrupt("it is not JSON", error);
  }
  const formatVersion = isRecord(value) ? value["formatVersion"] : undefined;
  if (formatVersion !== manifestFormatVersion) {
    throw new StorageError("unsupported_format", `${path} has manifest format ${String(formatVersion)}; this program reads format ${manifestFormatVersion}`);
  }
  const problem = manifestProblem(value);
  if (problem !== undefined) throw corrupt(problem);
  const { formatVersion: _, ...state } = value as ManifestState & { formatVersion: number };
  return state;
}

/** What is wrong with a value that should be a ManifestState; undefined if nothing is. Checked on both sides of the disk. */
export function manifestProblem(value: unknown): string | undefined {
  return describeProblem(value, stateShape, "");
}

type Check = (value: unknown) => boolean;
type Shape = Check | { readonly [name: string]: Shape } | readonly [Shape];

const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isId: Check = (value) => isCount(value) && (value as number) >= 1;
/** Dates do not go further. */
const isTime: Check = (value) => Number.isSafeInteger(value) && Math.abs(value as number) <= 8.64e15;
const isHex =
  (digits: number): Check =>
  (value) =>
    typeof value === "string" && value.length === digits && /^[0-9a-f]*$/.test(value);
/** No way out of the partition's directory. */
const isFileName: Check = (value) => typeof value === "string" && /^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/.test(value);
const isPartitionName: Check = (value) => typeof value === "string" && /^[\w-]+$/.test(value);

const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);

const fileSetShape = { id: isId, files: [isFileName] as const, seriesCount: isCount, sizeBytes: isCount };
const indexSegmentShape: Shape = { ...fileSetShape, activityPartId: optional(isId) };
const partShape: Shape = { ...fileSetShape, sampleCount: isCount, minMs: isTime, maxMs: isTime, maxLogRow: optional(isCount), codec: optional((value) => value === "compact") };
const stateShape: Shape = {
  directoryId: isHex(32),
  fingerprintSeed: (value) => Array.isArray(value) && value.length === 2 && value.every(isHex(16)),
  shardCount: isId,
  nextPartId: isId,
  nextSeriesId: isId,
  checkpoint: { segment: isId, logRow: isCount },
  formats: (value) => isRecord(value) && Object.values(value).every(isId),
  partitions: [{ name: isPartitionName, parts: [partShape], indexSegments: [indexSegmentShape], finalPartId: optional(isId) }],
};

function describeProblem(value: unknown, shape: Shape, path: string): string | undefined {
  if (typeof shape === "function") return shape(value) ? undefined : `${path} is ${JSON.stringify(value)?.slice(0, 80)}`;
  if (isList(shape)) {
    if (!Array.isArray(value)) return `${path} is not a list`;
    for (const [i, item] of value.entries()) {
      const problem = describeProblem(item, shape[0], `${path}[${i}]`);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }
  if (!isRecord(value)) return `${path || "it"} is not an object`;
  for (const [name, inner] of Object.entries(shape)) {
    const problem = describeProblem(value[name], inner, path === "" ? name : `${path}.${name}`);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function isList(shape: Shape): shape is readonly [Shape] {
  return Array.isArray(shape);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
