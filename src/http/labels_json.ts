/** Label sets as JSON objects. Written by hand, because a label may be called `__proto__`. */
import { Kernel } from "../kernel/kernel.ts";
import type { LabelTable } from "../model/label_table.ts";
import type { Labels } from "../model/labels.ts";
import { SeriesWriter } from "../query/series_writer.ts";

export function printLabelsJson(labels: Labels): string {
  return `{${labels.map(({ name, value }) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(",")}}`;
}

/** Pieces of text that are written between two turns of the event loop: a few milliseconds. */
const piecesPerTurn = 8;

const noTimes = new Float64Array(0);
const head = Buffer.from('{"status":"success","data":[');
const tail = Buffer.from("]}");

/** Writes lists of label sets, one after the other, in a memory of its own. */
export class LabelSetsWriter {
  #kernel: Kernel | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** The document {"status":"success","data":[{...},...]}. */
  async document(table: LabelTable, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const written = this.#last.then(() => this.#write(table, signal));
    this.#last = written.catch(() => undefined);
    return await written;
  }

  async #write(table: LabelTable, signal: AbortSignal | undefined): Promise<Uint8Array> {
    this.#kernel ??= new Kernel();
    const mark = this.#kernel.mark();
    try {
      const writer = new SeriesWriter({ kernel: this.#kernel, form: "labels", table, timestampsMs: noTimes });
      const body = Buffer.allocUnsafeSlow(head.length + writer.labelSetBytes + tail.length);
      // The comma in front of the first set is written over by the head's last byte.
      let size = Math.max(head.length, head.length - 1 + (await this.#copyPieces(writer, table, body, signal)));
      size += tail.copy(body, size);
      head.copy(body);
      return body.subarray(0, size);
    } finally {
      this.#kernel.reset(mark);
    }
  }

  /** Puts all sets behind the head, but for one byte; returns how many bytes they take. */
  async #copyPieces(writer: SeriesWriter, { count }: LabelTable, body: Buffer, signal: AbortSignal | undefined): Promise<number> {
    let size = 0;
    let pieces = 0;
    for (const piece of writer.pieces(0, count)) {
      size += piece.copy(body, head.length - 1 + size);
      if (++pieces % piecesPerTurn > 0) continue;
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
    }
    return size;
  }
}
