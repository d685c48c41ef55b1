/**
 * The parse area: what the protocol parsers of wasm/ work on (drawn in wasm/label_run.ts). It is taken from the kernel's
 * arena once and serves one body at a time, slice after slice: every call of a parser fills the columns anew.
 */
import { assert } from "../base/assert.ts";
import type { Kernel } from "./kernel.ts";

/** Limits on the labels of one series; a series over one of them is dropped. */
export interface LabelLimits {
  /** -maxLabelsPerTimeseries */
  readonly labelsMax: number;
  /** -maxLabelNameLen */
  readonly nameSizeMax: number;
  /** -maxLabelValueLen */
  readonly valueSizeMax: number;
}

/** What the parsers take of a body. */
export interface IntakeRules extends LabelLimits {
  /** -storage.keepNaN: samples that are NaN are taken with their bits; otherwise they are dropped and counted, but for the stale marker. */
  readonly keepsNaN?: boolean;
}

/** The defaults of VictoriaMetrics. */
export const defaultLabelLimits: LabelLimits = { labelsMax: 40, nameSizeMax: 256, valueSizeMax: 4096 };

/** Bytes behind the end of a body that parsers may read (and ignore). */
export const bodySlackBytes = 64;

/** How far below 4 GiB a body must end, so that addresses near it do not wrap. */
const topMarginBytes = 4096;

/** Rows of a slice, and its samples, unless a parser wants others. */
const defaultSliceRowsMax = 8192;
const sliceBodyBytesMax = 1 << 20;
const rewriteBytesMin = 2 << 20;
const extraRunBytesMax = 64 << 10;
const notesMax = 512;
const fixesMax = 512;
const seriesHintsBytes = 24;
const rowSlots = 5;

/** What a parser answers. */
export const parseStatus = { done: 0, full: 1, broken: 2 } as const;

/** How a text timestamp is read: milliseconds, seconds, or as VictoriaMetrics does: seconds when its size is below 2^31. */
export const timestampUnit = { auto: 0, milliseconds: 1, seconds: 2 } as const;

/** Offsets of the parse context, in bytes. */
const at = {
  body: 0, bodyEnd: 4, position: 8, sliceSizeMax: 12, rows: 16, rowsMax: 20, rowCount: 24, timestampsMs: 28, values: 32,
  samplesMax: 36, sampleCount: 40, rewrite: 44, rewriteEnd: 48, rewriteTop: 52, references: 56, referenceCount: 60, strings: 64,
  stringsEnd: 68, stringsTop: 72, extraRun: 76, extraRunEnd: 80, extraCount: 84, labelsMax: 88, nameSizeMax: 92, valueSizeMax: 96,
  notes: 100, notesMax: 104, noteCount: 108, errorOffset: 112, errorReason: 116, skippedLines: 120, lineNumber: 124, nowMs: 128,
  timestampUnit: 136, errorLine: 140, errorColumn: 144, previousLabels: 148, previousLabelsSize: 152, seriesHints: 156, seriesEnd: 160, carry: 176, extraNameSizes: 184,
  dropped: 192, keepsNaN: 220, fixes: 224, fixesMax: 228, fixCount: 232, size: 256,
} as const;

/** Reasons in the order of the counters in the parse context. */
export const droppedReasons = ["", "nan_value", "too_many_labels", "label_too_long", "no_labels"] as const;

export class ParseArea {
  readonly kernel: Kernel;
  /** Address of the parse context. */
  readonly context: number;
  readonly #areas: { rows: number; timestampsMs: number; values: number; rewrite: number; references: number; strings: number; carry: number; extraRun: number; knownSeries: number; seriesHints: number; notes: number; fixes: number };
  readonly #limits: IntakeRules;
  readonly #stringsBytes: number;
  readonly #rewriteBytes: number;
  readonly #rowsMax: number;

  /** `rowsMax` is how many rows a slice may have, and how many samples. */
  constructor(kernel: Kernel, limits: IntakeRules = defaultLabelLimits, rowsMax = defaultSliceRowsMax) {
    this.kernel = kernel;
    this.#rowsMax = rowsMax;
    this.#limits = limits;
    // One run fits by its limits: every label has at most 32 bytes besides its name and value.
    const runBytesMax = limits.labelsMax * (limits.nameSizeMax + limits.valueSizeMax + 32) + 64;
    this.#stringsBytes = runBytesMax + 64;
    this.#rewriteBytes = Math.max(rewriteBytesMin, runBytesMax + 64);
    this.context = kernel.allocate(at.size);
    this.#areas = {
      rows: kernel.allocate(rowsMax * rowSlots * 4),
      timestampsMs: kernel.allocate(rowsMax * 8),
      values: kernel.allocate(rowsMax * 8),
      rewrite: kernel.allocate(this.#rewriteBytes),
      references: kernel.allocate((limits.labelsMax + 1) * 16),
      strings: kernel.allocate(this.#stringsBytes),
      carry: kernel.allocate(runBytesMax),
      extraRun: kernel.allocate(extraRunBytesMax),
      knownSeries: kernel.allocate(rowsMax * 4),
      seriesHints: kernel.allocate(seriesHintsBytes),
      notes: kernel.allocate(notesMax * 8),
      fixes: kernel.allocate(fixesMax * 12),
    };
  }

  /** Points the context at a body. `extraRun` is a canonical label run that overrides labels of every series; the sizes are those of its names. */
  start(body: number, bodySize: number, extraRun: Uint8Array, extraNameSizes: readonly number[], nowMs: number, unit: number): void {
    const { kernel, context } = this;
    const areas = this.#areas;
    assert(body + bodySize + topMarginBytes <= 2 ** 32, "the body lies too near to the end of the address space");
    assert(extraRun.length <= extraRunBytesMax, "extra labels of more than 64 KiB");
    kernel.ensure(body + bodySize + bodySlackBytes);
    kernel.u8.fill(0, context, context + at.size);
    kernel.u8.set(extraRun, areas.extraRun);
    const u32 = kernel.u32;
    const set = (offset: number, value: number): void => {
      u32[(context + offset) >>> 2] = value;
    };
    set(at.body, body);
    set(at.bodyEnd, body + bodySize);
    set(at.position, body);
    set(at.sliceSizeMax, sliceBodyBytesMax);
    set(at.rows, areas.rows);
    set(at.rowsMax, this.#rowsMax);
    set(at.timestampsMs, areas.timestampsMs);
    set(at.values, areas.values);
    set(at.samplesMax, this.#rowsMax);
    set(at.rewrite, areas.rewrite);
    set(at.rewriteEnd, areas.rewrite + this.#rewriteBytes);
    set(at.references, areas.references);
    set(at.strings, areas.strings);
    set(at.stringsEnd, areas.strings + this.#stringsBytes);
    set(at.extraRun, areas.extraRun);
    set(at.extraRunEnd, areas.extraRun + extraRun.length);
    set(at.extraCount, extraNameSizes.length);
    set(at.labelsMax, this.#limits.labelsMax);
    set(at.nameSizeMax, this.#limits.nameSizeMax);
    set(at.valueSizeMax, this.#limits.valueSizeMax);
    set(at.notes, areas.notes);
    set(at.notesMax, notesMax);
    set(at.timestampUnit, unit);
    set(at.carry, areas.carry);
    set(at.keepsNaN, this.#limits.keepsNaN === true ? 1 : 0);
    set(at.fixes, areas.fixes);
    set(at.fixesMax, fixesMax);
    for (const size of extraNameSizes) kernel.u32[(context + at.extraNameSizes + ((size & 32) >> 3)) >>> 2] |= 1 << (size & 31);
    kernel.f64[(context + at.nowMs) / 8] = nowMs;
  }

  /** After start(): lets the kernel ask the head at `head`, in the same memory, for series that it knows (wasm/remote_write.ts). */
  askHead(head: number, accountId: number, projectId: number): void {
    const { knownSeries, seriesHints } = this.#areas;
    this.kernel.u32.set([head, accountId, projectId, 0, knownSeries, 0], seriesHints / 4);
    this.kernel.u32[(this.context + at.seriesHints) >>> 2] = seriesHints;
  }

  #field(offset: number): number {
    return this.kernel.u32[(this.context + offset) >>> 2];
  }

  get bodyPointer(): number {
    return this.#field(at.body);
  }
  /** Bytes of the body read so far. */
  get consumedBytes(): number {
    return this.#field(at.position) - this.#field(at.body);
  }
  get rowCount(): number {
    return this.#field(at.rowCount);
  }
  get sampleCount(): number {
    return this.#field(at.sampleCount);
  }
  get errorOffset(): number {
    return this.#field(at.errorOffset);
  }
  get errorReason(): number {
    return this.#field(at.errorReason);
  }
  get errorLine(): number {
    return this.#field(at.errorLine);
  }
  get errorColumn(): number {
    return this.#field(at.errorColumn);
  }
  get skippedLines(): number {
    return this.#field(at.skippedLines);
  }
  /** Samples dropped so far for droppedReasons[index]. */
  droppedSamples(index: number): number {
    return this.#field(at.dropped + index * 4);
  }

  /** The columns of the slice just parsed; valid until the next one. */
  get seriesRows(): Uint32Array {
    const from = this.#areas.rows / 4;
    return this.kernel.u32.subarray(from, from + this.rowCount * rowSlots);
  }
  /** By row, seriesIndex + 1 or 0; only after askHead(). */
  get knownSeries(): Uint32Array {
    const from = this.#areas.knownSeries / 4;
    return this.kernel.u32.subarray(from, from + this.rowCount);
  }
  get timestampsMs(): Float64Array {
    const from = this.#areas.timestampsMs / 8;
    return this.kernel.f64.subarray(from, from + this.sampleCount);
  }
  get values(): Float64Array {
    const from = this.#areas.values / 8;
    return this.kernel.f64.subarray(from, from + this.sampleCount);
  }

  /** Pieces of the body that the parser leaves to TypeScript: pairs of address and size. */
  get notes(): Uint32Array {
    const from = this.#areas.notes / 4;
    return this.kernel.u32.subarray(from, from + this.#field(at.noteCount) * 2);
  }
  /** Numbers that the parser could not round exactly: triples of sample index, address and size. */
  get fixes(): Uint32Array {
    const from = this.#areas.fixes / 4;
    return this.kernel.u32.subarray(from, from + this.#field(at.fixCount) * 3);
  }
}
