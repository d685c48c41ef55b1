/**
 * A RowBatch as one framed message: between cluster nodes, in queues on disk, between threads that share no memory.
 * Layout: docs/formats/row_batch.md. Everything is checked when it is decoded: the bytes may come from a network.
 */
import { assert } from "../base/assert.ts";
import { InputError } from "../base/errors.ts";
import { checksumOfBytes } from "../kernel/checksum.ts";
import { isLabelRun } from "../model/labels.ts";
import { type MetricMetadata, type RowBatch, sampleKindHistogram, seriesRow } from "../model/row_batch.ts";

const magic = 0x42524d54; // "TMRB"
const version = 1;
export const frameHeaderBytes = 48;
/** Frames over this size are refused before memory is taken for them. */
export const frameBytesMax = 64 << 20;

const at = { magic: 0, size: 4, checksum: 8, version: 12, flags: 14, accountId: 16, projectId: 20, seriesCount: 24, sampleCount: 28, labelsSize: 32, metadataCount: 36, metadataSize: 40, reserved: 44 } as const;
const rowBytes = seriesRow.slots * 4;

const metadataTypes = ["unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"] as const;

/** Encodes a batch. Rows that follow each other and point to the same label run share its bytes. */
export function encodeRowBatchFrame(batch: RowBatch): Uint8Array {
  const { rows, runs, labelsSize } = relativeRows(batch);
  const metadata = Buffer.concat(batch.metadata.map(encodeMetadata));
  const labelsFrom = frameHeaderBytes + batch.sampleCount * 16 + rows.byteLength;
  const size = Math.ceil((labelsFrom + labelsSize + metadata.length) / 8) * 8;
  assert(size <= frameBytesMax, "a batch of more than 64 MiB");
  const frame = new Uint8Array(size);
  const view = new DataView(frame.buffer);
  view.setUint32(at.magic, magic, true);
  view.setUint32(at.size, size, true);
  view.setUint16(at.version, version, true);
  view.setUint32(at.accountId, batch.tenant.accountId, true);
  view.setUint32(at.projectId, batch.tenant.projectId, true);
  view.setUint32(at.seriesCount, batch.seriesCount, true);
  view.setUint32(at.sampleCount, batch.sampleCount, true);
  view.setUint32(at.labelsSize, labelsSize, true);
  view.setUint32(at.metadataCount, batch.metadata.length, true);
  view.setUint32(at.metadataSize, metadata.length, true);
  new Float64Array(frame.buffer, frameHeaderBytes, batch.sampleCount).set(batch.timestampsMs.subarray(0, batch.sampleCount));
  new Float64Array(frame.buffer, frameHeaderBytes + batch.sampleCount * 8, batch.sampleCount).set(batch.values.subarray(0, batch.sampleCount));
  new Uint32Array(frame.buffer, frameHeaderBytes + batch.sampleCount * 16, rows.length).set(rows);
  let position = labelsFrom;
  for (const run of runs) {
    frame.set(run, position);
    position += run.length;
  }
  frame.set(metadata, position);
  view.setUint32(at.checksum, checksumOfBytes(frame.subarray(at.version)), true);
  return frame;
}

/** The rows with label offsets relative to the runs, which are laid one after the other. */
function relativeRows(batch: RowBatch): { rows: Uint32Array; runs: Uint8Array[]; labelsSize: number } {
  const rows = batch.seriesRows.slice(0, batch.seriesCount * seriesRow.slots);
  const runs: Uint8Array[] = [];
  let labelsSize = 0;
  let sourceOffset = -1;
  let sourceSize = -1;
  for (let row = 0; row < rows.length; row += seriesRow.slots) {
    const offset = rows[row + seriesRow.labelsOffset];
    const size = rows[row + seriesRow.labelsSize];
    if (offset !== sourceOffset || size !== sourceSize) {
      runs.push(batch.labelBytes.subarray(offset, offset + size));
      labelsSize += size;
      sourceOffset = offset;
      sourceSize = size;
    }
    rows[row + seriesRow.labelsOffset] = labelsSize - size;
  }
  return { rows, runs, labelsSize };
}

function encodeMetadata(metadata: MetricMetadata): Buffer {
  const texts = [metadata.metricFamily, metadata.help, metadata.unit].map((text) => Buffer.from(text));
  const head = Buffer.alloc(16);
  head.writeUInt32LE(metadataTypes.indexOf(metadata.type), 0);
  texts.forEach((text, i) => head.writeUInt32LE(text.length, 4 + i * 4));
  return Buffer.concat([head, ...texts]);
}

function broken(offset: number, reason: string): InputError {
  return new InputError("corrupt_frame", `the row batch frame is broken at byte ${offset}: ${reason}`, { offset });
}

/**
 * The size of the frame that begins with `header`, or undefined when fewer than 8 bytes are there. For readers of streams.
 * Throws InputError("corrupt_frame").
 */
export function rowBatchFrameSize(header: Uint8Array): number | undefined {
  if (header.length < 8) return undefined;
  const view = new DataView(header.buffer, header.byteOffset, 8);
  if (view.getUint32(at.magic, true) !== magic) throw broken(at.magic, "it does not begin with TMRB");
  const size = view.getUint32(at.size, true);
  if (size < frameHeaderBytes || size > frameBytesMax || size % 8 !== 0) throw broken(at.size, `a size of ${size} bytes`);
  return size;
}

/**
 * Decodes the frame in `bytes`, which may be longer. The batch views them when they lie at an address divisible by 8 and
 * is a copy otherwise. Throws InputError("corrupt_frame") or InputError("unsupported_frame").
 */
export function decodeRowBatchFrame(bytes: Uint8Array): RowBatch {
  const size = rowBatchFrameSize(bytes);
  if (size === undefined || size > bytes.length) throw broken(bytes.length, "it is cut off");
  const frame = bytes.byteOffset % 8 === 0 ? bytes.subarray(0, size) : bytes.slice(0, size);
  const view = new DataView(frame.buffer, frame.byteOffset, size);
  const field = (offset: number): number => view.getUint32(offset, true);
  if (field(at.checksum) !== checksumOfBytes(frame.subarray(at.version))) throw broken(at.checksum, "the checksum is wrong");
  if (view.getUint16(at.version, true) !== version || view.getUint16(at.flags, true) !== 0) {
    throw new InputError("unsupported_frame", `row batch frame of version ${view.getUint16(at.version, true)}; this program reads ${version}`);
  }
  const seriesCount = field(at.seriesCount);
  const sampleCount = field(at.sampleCount);
  const labelsSize = field(at.labelsSize);
  const rowsFrom = frameHeaderBytes + sampleCount * 16;
  const labelsFrom = rowsFrom + seriesCount * rowBytes;
  const metadataFrom = labelsFrom + labelsSize;
  if (Math.ceil((metadataFrom + field(at.metadataSize)) / 8) * 8 !== size) throw broken(at.seriesCount, "its counts do not fit its size");
  const columns = frame.byteOffset + frameHeaderBytes;
  const batch: RowBatch = {
    tenant: { accountId: field(at.accountId), projectId: field(at.projectId) },
    seriesCount,
    sampleCount,
    labelBytes: frame.subarray(labelsFrom, metadataFrom),
    seriesRows: new Uint32Array(frame.buffer, frame.byteOffset + rowsFrom, seriesCount * seriesRow.slots),
    timestampsMs: new Float64Array(frame.buffer, columns, sampleCount),
    values: new Float64Array(frame.buffer, columns + sampleCount * 8, sampleCount),
    metadata: decodeMetadata(frame.subarray(metadataFrom, metadataFrom + field(at.metadataSize)), field(at.metadataCount), metadataFrom),
  };
  checkRows(batch, rowsFrom);
  return batch;
}

/** Rows own their samples one after the other, and their runs are canonical. */
function checkRows(batch: RowBatch, rowsFrom: number): void {
  const rows = batch.seriesRows;
  let sampleFrom = 0;
  for (let row = 0; row < rows.length; row += seriesRow.slots) {
    const offset = rows[row + seriesRow.labelsOffset];
    const end = offset + rows[row + seriesRow.labelsSize];
    const where = rowsFrom + row * 4;
    if (end > batch.labelBytes.length || !isLabelRun(batch.labelBytes, offset, end)) throw broken(where, "a label run");
    if (rows[row + seriesRow.sampleFrom] !== sampleFrom) throw broken(where, "the samples of a row");
    if (rows[row + seriesRow.sampleKind] > sampleKindHistogram) throw new InputError("unsupported_frame", `sample kind ${rows[row + seriesRow.sampleKind]} in a row batch frame`);
    sampleFrom += rows[row + seriesRow.sampleCount];
  }
  if (sampleFrom !== batch.sampleCount) throw broken(rowsFrom, "the rows do not own all samples");
}

function decodeMetadata(bytes: Uint8Array, count: number, base: number): MetricMetadata[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const metadata: MetricMetadata[] = [];
  let position = 0;
  while (metadata.length < count) {
    if (text.length - position < 16) throw broken(base + position, "metadata");
    const head = position;
    const type = metadataTypes[text.readUInt32LE(head)];
    position += 16;
    const texts = [4, 8, 12].map((offset) => {
      const size = text.readUInt32LE(head + offset);
      if (size > text.length - position) throw broken(base + head, "metadata");
      return text.toString("utf8", position, (position += size));
    });
    if (type === undefined) throw broken(base + head, "metadata");
    metadata.push({ metricFamily: texts[0], type, help: texts[1], unit: texts[2] });
  }
  if (position !== text.length) throw broken(base + position, "metadata");
  return metadata;
}
