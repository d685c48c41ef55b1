/**
 * A parser turns the bytes of one request body into RowBatches, slice by slice, so that a large body does not block its
 * thread: a call of next() takes about 2 ms at most.
 *
 *   parser.start(bodyPointer, bodySize, { tenant, extraLabels, nowMs });
 *   for (let batch = parser.next(); batch !== undefined; batch = parser.next()) ...
 *   parser.report
 *
 * The body lies in the memory of the parser's kernel, with `bodySlackBytes` behind its end that may be read but are never
 * acted on, and stays untouched until next() has answered undefined. A parser serves one body at a time.
 */
import type { InputError } from "../base/errors.ts";
import type { Labels } from "../model/labels.ts";
import type { Tenant } from "../model/matcher.ts";
import type { RowBatch } from "../model/row_batch.ts";
import type { DropReason } from "../model/store.ts";

export interface SliceOptions {
  readonly tenant: Tenant;
  /** Labels that every series gets; they override its own. */
  readonly extraLabels: Labels;
  /** The time of samples that carry none. */
  readonly nowMs: number;
}

/** What became of a body so far; it is complete when next() has answered undefined. */
export interface ParseReport {
  /** Samples handed out in batches; a native histogram is one. */
  readonly samples: number;
  /** Lines of a text body that could not be read. */
  readonly skippedLines: number;
  /** The first thing wrong with the body: line and column of a text, byte offset of a binary body. */
  readonly firstError: InputError | undefined;
  /** A framed binary body broke off: rows before the break were handed out, the request deserves a 400. */
  readonly broken: boolean;
  /** Samples that were well-formed but not taken. */
  readonly droppedByReason: Partial<Record<DropReason, number>>;
}

export interface SliceParser {
  start(bodyPointer: number, bodySize: number, options: SliceOptions): void;
  /**
   * The next samples, or undefined when the body is finished. The batch is a view on the kernel's memory, valid until the
   * next call. It may be empty, and it may go on with the series that ended the batch before.
   */
  next(): RowBatch | undefined;
  readonly report: ParseReport;
}
