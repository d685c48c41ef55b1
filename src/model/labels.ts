/**
 * Label sets. In columns a label set is one run of canonical bytes, a *label run*: the Label fields of remote write 1.0
 *
 *   repeated { 0x0a, varint size, { 0x0a, varint nameSize, name, 0x12, varint valueSize, value } }
 *
 * sorted bytewise by name, without empty values, with minimal varints. Equal label sets have equal runs, so runs are
 * compared and hashed without being decoded. The metric name is the label `__name__`.
 * In the control path a label set is a `Labels`: a frozen, sorted array of name-value pairs.
 */

export interface Label {
  readonly name: string;
  readonly value: string;
}

/** Sorted bytewise by name, names unique, no empty values. */
export type Labels = readonly Label[];

export const metricNameLabel = "__name__";

/** Compares strings by their UTF-8 bytes (JavaScript's own order differs for surrogate pairs). */
export function compareBytewise(left: string, right: string): number {
  const size = Math.min(left.length, right.length);
  for (let i = 0; i < size; i++) {
    const a = left.charCodeAt(i);
    const b = right.charCodeAt(i);
    if (a === b) continue;
    // Surrogates (U+D800..U+DFFF) stand for code points above U+FFFF, so they sort after the rest of the basic plane.
    const aKey = a >= 0xd800 && a <= 0xdfff ? a + 0x2000 : a >= 0xe000 ? a - 0x800 : a;
    const bKey = b >= 0xd800 && b <= 0xdfff ? b + 0x2000 : b >= 0xe000 ? b - 0x800 : b;
    return aKey - bKey;
  }
  return left.length - right.length;
}

/** Labels from a plain record: sorted, empty values left out. */
export function labelsOf(record: Readonly<Record<string, string>>): Labels {
  const labels: Label[] = [];
  for (const name of Object.keys(record)) {
    const value = record[name];
    if (value !== "") labels.push({ name, value });
  }
  return labels.sort((a, b) => compareBytewise(a.name, b.name));
}

/** A plain record of the labels, for JSON answers. */
export function labelsToRecord(labels: Labels): Record<string, string> {
  const record: Record<string, string> = {};
  for (const label of labels) record[label.name] = label.value;
  return record;
}

/** The value of `name`, or "" (a missing label and an empty one are the same thing). */
export function labelValue(labels: Labels, name: string): string {
  for (const label of labels) if (label.name === name) return label.value;
  return "";
}

/** Orders label sets by name and value, pair by pair, bytewise. */
export function compareLabels(left: Labels, right: Labels): number {
  const count = Math.min(left.length, right.length);
  for (let i = 0; i < count; i++) {
    const order = compareBytewise(left[i].name, right[i].name) || compareBytewise(left[i].value, right[i].value);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

const encoder = new TextEncoder();

function pushVarint(out: number[], value: number): void {
  while (value >= 128) {
    out.push((value & 127) | 128);
    value >>>= 7;
  }
  out.push(value);
}

/** The canonical label run of `labels` (which must already be sorted and free of empty values). */
export function encodeLabelRun(labels: Labels): Uint8Array {
  const out: number[] = [];
  for (const label of labels) {
    const name = encoder.encode(label.name);
    const value = encoder.encode(label.value);
    const body: number[] = [0x0a];
    pushVarint(body, name.length);
    for (const byte of name) body.push(byte);
    body.push(0x12);
    pushVarint(body, value.length);
    for (const byte of value) body.push(byte);
    out.push(0x0a);
    pushVarint(out, body.length);
    for (const byte of body) out.push(byte);
  }
  return Uint8Array.from(out);
}

/** The labels of a canonical run in bytes[from, to). The bytes may view shared memory. */
export function decodeLabelRun(bytes: Uint8Array, fromIndex: number, toIndex: number): Labels {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const labels: Label[] = [];
  let position = fromIndex;
  const readVarint = (): number => {
    let value = 0;
    let shift = 0;
    for (;;) {
      const byte = bytes[position++];
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
      shift += 7;
    }
  };
  const readString = (): string => {
    position++; // the field tag
    const size = readVarint();
    const value = text.toString("utf8", position, position + size);
    position += size;
    return value;
  };
  while (position < toIndex) {
    position++; // 0x0a
    readVarint();
    const name = readString();
    labels.push({ name, value: readString() });
  }
  return labels;
}

/** Whether bytes[from, to) is a canonical label run. */
export function isLabelRun(bytes: Uint8Array, from: number, to: number): boolean {
  let position = from;
  let previousName = new Uint8Array(0);
  /** A minimal varint followed by that many bytes, up to `end`; the size, or -1. */
  const readSize = (end: number): number => {
    let value = 0;
    for (let shift = 0; shift < 28 && position < end; shift += 7) {
      const byte = bytes[position++];
      value |= (byte & 127) << shift;
      if (byte < 128) return (byte === 0 && shift > 0) || value > end - position ? -1 : value;
    }
    return -1;
  };
  const readField = (tag: number, end: number): Uint8Array | undefined => {
    if (position >= end || bytes[position++] !== tag) return undefined;
    const size = readSize(end);
    return size < 0 ? undefined : bytes.subarray(position, (position += size));
  };
  while (position < to) {
    if (bytes[position++] !== 0x0a) return false;
    const size = readSize(to);
    const end = position + size;
    const name = size < 0 ? undefined : readField(0x0a, end);
    const value = name === undefined ? undefined : readField(0x12, end);
    if (name === undefined || value === undefined || value.length === 0 || position !== end) return false;
    if (Buffer.compare(name, previousName) <= 0) return false;
    previousName = name as Uint8Array<ArrayBuffer>;
  }
  return to > from;
}
