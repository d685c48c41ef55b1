/** Plain twin of the remote write 1.0 parser: the same rows and counts from an object-by-object walk of the protobuf. */
import { defaultLabelLimits, type LabelLimits } from "./label_run.ts";
import { buildLabelRun, type LabelPair, type ParsedBody, type ParsedSeries } from "./label_run_reference.ts";

interface Field {
  readonly tag: number;
  readonly bytes: Uint8Array;
  readonly value: bigint;
}

class BrokenMessage extends Error {
  readonly offset: number;
  constructor(offset: number) {
    super("broken message");
    this.offset = offset;
  }
}

function readVarint(bytes: Uint8Array, from: number): { value: bigint; next: number } | undefined {
  let value = 0n;
  for (let i = 0; i < 10 && from + i < bytes.length; i++) {
    const byte = bytes[from + i];
    value |= BigInt(byte & 127) << BigInt(7 * i);
    if (byte < 128) return { value: BigInt.asUintN(64, value), next: from + i + 1 };
  }
  return undefined;
}

/** The fields of a message; a broken one throws with its offset in the whole body. */
function* readFields(bytes: Uint8Array, base: number): Generator<Field> {
  let from = 0;
  const none = new Uint8Array(0);
  while (from < bytes.length) {
    const tag = readVarint(bytes, from);
    const broken = new BrokenMessage(bytes.byteOffset - base + from);
    if (tag === undefined || tag.value > 0xffffffffn || tag.value < 8n) throw broken;
    const wireType = Number(tag.value & 7n);
    if (wireType === 1 || wireType === 5) {
      const size = wireType === 1 ? 8 : 4;
      if (tag.next + size > bytes.length) throw broken;
      const view = new DataView(bytes.buffer, bytes.byteOffset + tag.next, size);
      yield { tag: Number(tag.value), bytes: none, value: size === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true)) };
      from = tag.next + size;
      continue;
    }
    const number = readVarint(bytes, tag.next);
    if (number === undefined || (wireType !== 0 && wireType !== 2)) throw broken;
    from = number.next;
    if (wireType === 2) {
      if (number.value > BigInt(bytes.length - from)) throw broken;
      yield { tag: Number(tag.value), bytes: bytes.subarray(from, from + Number(number.value)), value: 0n };
      from += Number(number.value);
    } else yield { tag: Number(tag.value), bytes: none, value: number.value };
  }
}

function readSeries(message: Uint8Array, base: number, extra: readonly LabelPair[], limits: LabelLimits, body: ParsedBody): void {
  const labels: LabelPair[] = [];
  const series: ParsedSeries = { labelRun: new Uint8Array(0), timestampsMs: [], valueBits: [] };
  let hasMore = false;
  for (const field of readFields(message, base)) {
    if (field.tag === 0x1a || field.tag === 0x22) hasMore = true;
    if (field.tag === 0x0a) {
      const label = { name: new Uint8Array(0), value: new Uint8Array(0) };
      for (const part of readFields(field.bytes, base)) {
        if (part.tag === 0x0a) label.name = part.bytes as Uint8Array<ArrayBuffer>;
        else if (part.tag === 0x12) label.value = part.bytes as Uint8Array<ArrayBuffer>;
      }
      labels.push(label);
    } else if (field.tag === 0x12) {
      let timestamp = 0n;
      let value = 0n;
      for (const part of readFields(field.bytes, base)) {
        if (part.tag === 0x09) value = part.value;
        else if (part.tag === 0x10) timestamp = part.value;
      }
      series.timestampsMs.push(Number(BigInt.asIntN(64, timestamp)));
      series.valueBits.push(value);
    }
  }
  if (hasMore) body.seriesNotes.push(message);
  const run = labels.length === 0 ? "no_labels" : buildLabelRun(labels, extra, limits);
  body.addSeries(run, series);
}

/** Parses a whole WriteRequest. */
export function remoteWriteParseReference(bytes: Uint8Array, body: ParsedBody, extra: readonly LabelPair[] = [], limits: LabelLimits = defaultLabelLimits): void {
  try {
    for (const field of readFields(bytes, bytes.byteOffset)) {
      if (field.tag === 0x0a) readSeries(field.bytes, bytes.byteOffset, extra, limits, body);
      else if (field.tag === 0x1a) body.notes.push(field.bytes);
    }
  } catch (error) {
    if (!(error instanceof BrokenMessage)) throw error;
    body.errorOffset = error.offset;
  }
}
