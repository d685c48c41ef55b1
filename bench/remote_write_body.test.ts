// The load of the benchmark is what it says: bodies decode, with independent decoders, to the series, times and values that were meant.
import assert from "node:assert/strict";
import { test } from "node:test";
import protobuf from "protobufjs";
import snappy from "snappyjs";
import { BodyTemplate, labelsOf } from "./remote_write_body.ts";
import { encodeSnappy, maximumEncodedBytes } from "./snappy_encoder.ts";

const schema = protobuf.parse(`
  syntax = "proto3";
  message WriteRequest { repeated TimeSeries timeseries = 1; }
  message TimeSeries { repeated Label labels = 1; repeated Sample samples = 2; }
  message Label { string name = 1; string value = 2; }
  message Sample { double value = 1; int64 timestamp = 2; }
`).root.lookupType("WriteRequest");

interface WriteRequest {
  readonly timeseries: readonly { labels: { name: string; value: string }[]; samples: { value: number; timestamp: number }[] }[];
}

test("remote write body: decodes to its series, time and values", () => {
  const template = new BodyTemplate(95, 205);
  for (const timestampMs of [1_700_000_000_000, 1_700_000_010_000]) {
    const body = template.body(timestampMs);
    const decoded = schema.toObject(schema.decode(snappy.uncompress(body)), { longs: Number }) as WriteRequest;
    assert.deepEqual(decoded.timeseries.map(({ labels }) => labels.map(({ name, value }) => [name, value])), Array.from({ length: 110 }, (_item, i) => labelsOf(95 + i)));
    for (const { samples } of decoded.timeseries) {
      assert.equal(samples.length, 1);
      assert.equal(samples[0].timestamp, timestampMs);
      assert.ok(samples[0].value >= 0 && samples[0].value <= 100);
    }
  }
});

test("remote write body: ten sorted labels, every series its own", () => {
  const names = labelsOf(0).map(([name]) => name);
  assert.equal(names.length, 10);
  assert.deepEqual(names, [...names].sort());
  assert.equal(new Set(Array.from({ length: 1000 }, (_item, i) => JSON.stringify(labelsOf(i)))).size, 1000);
});

const rows = [
  { name: "empty", bytes: new Uint8Array(0) },
  { name: "short", bytes: Uint8Array.of(1, 2, 3) },
  { name: "equal bytes", bytes: new Uint8Array(200_000) },
  { name: "no repetition", bytes: Uint8Array.from({ length: 70_000 }, (_item, i) => Math.imul(i, 0x9e3779b1) >>> 24) },
  { name: "repetition far away", bytes: Uint8Array.from({ length: 150_000 }, (_item, i) => Math.imul(i % 3000, 0x9e3779b1) >>> 24) },
];

for (const row of rows) {
  test(`snappy encoder: ${row.name}`, () => {
    const target = new Uint8Array(maximumEncodedBytes(row.bytes.length));
    const size = encodeSnappy(row.bytes, target);
    assert.deepEqual(new Uint8Array(snappy.uncompress(target.slice(0, size))), row.bytes);
  });
}

test("snappy encoder: compresses a body at least six times", () => {
  const template = new BodyTemplate(0, 10_000);
  const rawBytes = template.encode(1_700_000_000_000).length;
  assert.ok(template.body(1_700_000_000_000).length * 6 < rawBytes);
});
