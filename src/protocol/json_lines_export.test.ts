// Lines of the export read as JSON, and as the import's parser reads them; long series are written in chunks.
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../base/random.ts";
import { Kernel } from "../kernel/kernel.ts";
import { labelsOf } from "../model/labels.ts";
import { BodyParser, describeSeries } from "../../testkit/parse_body.ts";
import { JsonLinesParser } from "./json_lines.ts";
import { JsonLinesWriter } from "./json_lines_export.ts";

const kernel = new Kernel();
const writer = new JsonLinesWriter(kernel);
const body = new BodyParser(kernel, 4 << 20);
const parser = new JsonLinesParser(kernel);

test("special values, and the metric name first", () => {
  const values = new Float64Array(7);
  values.set([1, 0.1, Infinity, -Infinity, Number.NaN, -0]);
  new DataView(values.buffer).setBigUint64(48, 0x7ff0000000000002n, true);
  const text = Buffer.concat([...writer.line(labelsOf({ A: 'q"\n', __name__: "up", é: "ü" }), Float64Array.of(1, 2, 3, 4, 5, 6, 7), values)]).toString();
  assert.equal(text, '{"metric":{"__name__":"up","A":"q\\"\\n","é":"ü"},"values":[1,0.1,"Infinity","-Infinity",null,-0,null],"timestamps":[1,2,3,4,5,6,7]}\n');
  assert.deepEqual([...writer.line(labelsOf({ a: "b" }), new Float64Array(0), new Float64Array(0))], []);
});

test("what is exported is imported again, bit for bit", () => {
  const random = seededRandom(5);
  const values = Float64Array.from({ length: 20_000 }, () => [random.next() * 10 ** random.int(30), -0, random.int(1000), Infinity, random.next() * 1e-300][random.int(5)]);
  const timestampsMs = Float64Array.from(values, (_, i) => 1_700_000_000_000 + i * 15_000);
  const labels = labelsOf({ __name__: "up", job: "\u{1f600}\\" });
  const chunks = [...writer.line(labels, timestampsMs, values)];
  assert.ok(chunks.length > 10);
  const line = Buffer.concat(chunks);
  assert.equal((JSON.parse(line.toString()) as { values: number[] }).values.length, values.length);
  const result = body.parse(parser, line);
  assert.deepEqual(result.series[0].valueBits, [...new BigUint64Array(values.buffer)]);
  assert.deepEqual(describeSeries(result.series[0]).timestamps, [...timestampsMs]);
  assert.deepEqual(describeSeries(result.series[0]).labels, { __name__: "up", job: "\u{1f600}\\" });
});
