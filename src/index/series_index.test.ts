// The live index against its plain twin: random label sets of several tenants, random selectors, ranges and limits while it
// grows; labels read back, also through a second instance on the same memory; full areas; the micro benchmark, small.
import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError, LimitError } from "../base/errors.ts";
import { type Random, seededRandom } from "../base/random.ts";
import { createMemory, Kernel } from "../kernel/kernel.ts";
import { encodeLabelRun, type Labels, labelsOf } from "../model/labels.ts";
import type { Matcher, Selector, Tenant } from "../model/matcher.ts";
import { runBenchmark } from "./series_index.bench.ts";
import { type LabelsOptions, SeriesIndex, type SeriesIndexOptions } from "./series_index.ts";
import { ReferenceSeriesIndex } from "./series_index_reference.ts";
import { SeriesLabels } from "./series_labels.ts";

const tenant0: Tenant = { accountId: 0, projectId: 0 };
const tenants: readonly Tenant[] = [tenant0, { accountId: 1, projectId: 0 }, { accountId: 0, projectId: 1 }, { accountId: 4_294_967_295, projectId: 7 }];

function createSeriesIndex(options: Partial<SeriesIndexOptions> = {}): { kernel: Kernel; index: SeriesIndex } {
  const kernel = new Kernel(createMemory(1 << 20));
  return { kernel, index: new SeriesIndex(kernel, { seriesMax: 100_000, seed: 0x1234_5678_9abc_def0n, ...options }) };
}

interface Universe {
  readonly names: readonly string[];
  valuesOf(name: string): readonly string[];
}

/** Names with few and many values, a label in all series, rare labels, unusual texts. */
function createUniverse(random: Random): Universe {
  const values: Record<string, string[]> = {
    __name__: Array.from({ length: 12 }, (_, i) => `metric_${i}_total`),
    job: ["node", "api", "db"],
    instance: Array.from({ length: 60 }, (_, i) => `10.0.${i % 4}.${i}:9100`),
    pod: Array.from({ length: 300 }, (_, i) => `app-${i % 10}-${(i * 7919).toString(16)}`),
    le: ["0.1", "1", "10", "+Inf"],
    zone: ["a", "b"],
    "näme with spaces": ["ü", "￿", "😀", "", "x\ny", "z"],
    long: ["v".repeat(130), "v".repeat(20_000), "w"],
    rare: ["once"],
    "": ["12345678"],
  };
  for (const name of ["e1", "e2", "e3"]) values[name] = Array.from({ length: 3 + random.int(20) }, (_, i) => `${name}-${i}`);
  return { names: Object.keys(values), valuesOf: (name) => values[name] ?? ["absent"] };
}

function randomLabels(random: Random, universe: Universe, before: Labels | undefined): Labels {
  const record: Record<string, string> = {};
  // Like real senders: often the labels of the series before with another metric name.
  if (before !== undefined && random.int(2) === 0) for (const label of before) record[label.name] = label.value;
  for (const name of universe.names) {
    const isRare = name === "rare" || name === "" || name === "long";
    if (name === "__name__" || random.int(isRare ? 40 : 3) === 0) record[name] = pick(random, universe.valuesOf(name));
  }
  return labelsOf(record);
}

function randomMatcher(random: Random, universe: Universe): Matcher {
  const name = random.int(12) === 0 ? "absent" : pick(random, universe.names);
  const op = pick(random, ["=", "=", "!=", "=~", "=~", "!~"] as const);
  const values = universe.valuesOf(name);
  const value = random.int(8) === 0 ? pick(random, ["", "nope", "node"]) : pick(random, values);
  if (op === "=" || op === "!=") return { name, op, value };
  const quote = (text: string): string => text.slice(0, 200).replace(/[.+*?()|[\]\\^$]/g, "\\$&");
  const patterns = [
    () => quote(value),
    () => `${quote(value)}|${quote(pick(random, values))}|nope`,
    () => `${quote(value.slice(0, 4))}.*`,
    () => `${quote(value.slice(0, 4))}.+`,
    () => `.*${quote(value.slice(-2))}`,
    () => `.*${quote(value.slice(1, 3))}.*`,
    () => "|" + quote(value),
    () => ".*", () => ".+", () => "", () => "(?i)APP.*", () => "[a-m].*[0-9]", () => "(.*)(0|1).*", () => "app-[0-5]-.*|metric_1.*", () => "[^a]+", () => ".",
  ];
  return { name, op, value: pick(random, patterns)() };
}

function randomSelector(random: Random, universe: Universe): Selector {
  const groups = random.int(10) === 0 ? random.int(4) : 1;
  return Array.from({ length: groups }, () => Array.from({ length: random.int(4) }, () => randomMatcher(random, universe)));
}

function randomOptions(random: Random, universe: Universe): LabelsOptions {
  const dayMs = 86_400_000;
  const minMs = random.int(40) * dayMs + random.int(dayMs);
  return {
    selector: random.int(4) === 0 ? undefined : randomSelector(random, universe),
    range: random.int(2) === 0 ? undefined : { minMs, maxMs: minMs + random.int(5 * dayMs) },
    limit: random.int(3) === 0 ? random.int(20) : undefined,
  };
}

function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.int(items.length)];
}

for (const { seed, seriesCount, tenantCount } of [{ seed: 11, seriesCount: 60, tenantCount: 2 }, { seed: 12, seriesCount: 4_000, tenantCount: 1 }, { seed: 13, seriesCount: 2_500, tenantCount: 4 }]) {
  test(`same series, names and values as the plain twin: ${seriesCount} series, ${tenantCount} tenants`, () => {
    const random = seededRandom(seed);
    const universe = createUniverse(random);
    const { kernel, index } = createSeriesIndex();
    const reference = new ReferenceSeriesIndex();
    const added: Labels[] = [];
    for (let stage = 1; stage <= 4; stage++) {
      while (added.length < (seriesCount * stage) / 4) {
        const labels = randomLabels(random, universe, added.at(-1));
        const tenant = tenants[random.int(tenantCount)];
        assert.equal(index.add(tenant, encodeLabelRun(labels)), reference.add(tenant, labels));
        if (random.int(20) > 0) {
          for (let touches = random.int(2); touches >= 0; touches--) {
            const day = random.int(40);
            index.touchDay(added.length, day);
            reference.touchDay(added.length, day);
          }
        }
        added.push(labels);
      }
      const reader = new SeriesLabels(new Kernel(kernel.memory), index.contextPointer);
      for (let i = 0; i < 100; i++) checkLabels(index, reader, random.int(added.length), added);
      for (let round = 0; round < 150; round++) checkAnswers(index, reference, random, universe, `seed ${seed} stage ${stage} round ${round}`);
    }
  });
}

function checkLabels(index: SeriesIndex, reader: SeriesLabels, seriesIndex: number, added: readonly Labels[]): void {
  assert.deepEqual(index.labels(seriesIndex), added[seriesIndex]);
  assert.deepEqual(reader.labels(seriesIndex), added[seriesIndex]);
  assert.deepEqual(reader.labelRun(seriesIndex), encodeLabelRun(added[seriesIndex]));
  for (const { name, value } of added[seriesIndex]) assert.equal(reader.valueOf(seriesIndex, name), value);
  assert.equal(reader.valueOf(seriesIndex, "absent"), "");
}

function checkAnswers(index: SeriesIndex, reference: ReferenceSeriesIndex, random: Random, universe: Universe, where: string): void {
  const tenant = pick(random, tenants);
  const options = randomOptions(random, universe);
  const selector = options.selector ?? [[]];
  const name = random.int(10) === 0 ? "absent" : pick(random, universe.names);
  const at = `${where} ${JSON.stringify({ tenant, name, ...options })}`;
  assert.deepEqual([...index.select(tenant, selector, options)], reference.select(tenant, selector, options), at);
  assert.deepEqual(index.labelNames(tenant, options), reference.labelNames(tenant, options), at);
  assert.deepEqual(index.labelValues(tenant, name, options), reference.labelValues(tenant, name, options), at);
}

function addMany(index: SeriesIndex, count: number, labelsOfSeries: (i: number) => Record<string, string>): void {
  for (let i = index.seriesCount, end = i + count; i < end; i++) index.add(tenant0, encodeLabelRun(labelsOf(labelsOfSeries(i))));
}

test("long runs, gaps of all sizes and chunk borders keep postings right", () => {
  const { index } = createSeriesIndex({ seriesMax: 400_000 });
  const expected = { always: [] as number[], runs: [] as number[], rare: [] as number[], odd: [] as number[] };
  const random = seededRandom(5);
  let inRun = false;
  addMany(index, 150_000, (i) => {
    if (random.int(200) === 0) inRun = !inRun;
    const record: Record<string, string> = { always: "1" };
    if (inRun) record["runs"] = "1";
    if (random.int(20_000) === 0) record["rare"] = "1";
    if (random.int(3) === 0) record["odd"] = "1";
    for (const name of Object.keys(record)) expected[name as keyof typeof expected].push(i);
    return record;
  });
  for (const [name, series] of Object.entries(expected)) {
    assert.deepEqual([...index.select(tenant0, [[{ name, op: "=", value: "1" }]])], series, name);
    assert.equal(index.select(tenant0, [[{ name, op: "!=", value: "1" }]]).length, 150_000 - series.length, name);
  }
  assert.ok(index.usedBytes < 150_000 * 24, `${index.usedBytes} bytes`);
});

test("many distinct pairs: the tables grow and everything is found again", () => {
  const { index } = createSeriesIndex();
  addMany(index, 30_000, (i) => ({ id: `id-${i}`, group: `g-${i % 100}` }));
  for (let i = 0; i < 30_000; i += 997) {
    assert.deepEqual([...index.select(tenant0, [[{ name: "id", op: "=", value: `id-${i}` }]])], [i]);
    assert.deepEqual([...index.select(tenant0, [[{ name: "id", op: "=~", value: `id-${i}|id-${i + 1}` }]])], i + 1 < 30_000 ? [i, i + 1] : [i]);
  }
  assert.equal(index.labelValues(tenant0, "id").length, 30_000);
  assert.deepEqual(index.labelValues(tenant0, "id", { limit: 3 }), ["id-0", "id-1", "id-10"]);
  assert.equal(index.select(tenant0, [[{ name: "id", op: "=~", value: "id-1.*" }]]).length, 11_111);
  assert.equal(index.select(tenant0, [[{ name: "id", op: "!~", value: "id-1.*" }]]).length, 30_000 - 11_111);
});

test("label names: rare ones are found behind many series without them", () => {
  const { index } = createSeriesIndex();
  addMany(index, 20_000, (i) => ({ a: "1", b: String(i % 50), ...(i === 19_990 ? { rare: "x" } : {}), ...(i % 2 === 1 ? { odd: "1" } : {}) }));
  const even: Selector = [[{ name: "odd", op: "=", value: "" }]];
  assert.deepEqual(index.labelNames(tenant0, { selector: even }), ["a", "b", "rare"]);
  assert.deepEqual(index.labelNames(tenant0, { selector: [[{ name: "odd", op: "=", value: "1" }]] }), ["a", "b", "odd"]);
});

test("cardinality", () => {
  const { index } = createSeriesIndex();
  addMany(index, 10, (i) => ({ __name__: i < 7 ? "up" : "down", id: String(i) }));
  index.add(tenants[1], encodeLabelRun(labelsOf({ __name__: "down" })));
  const facts = index.cardinality(tenant0, 2);
  assert.deepEqual(
    { ...facts, seriesCountByLabelName: undefined },
    {
      seriesCount: 10, labelPairCount: 12, labelNameCount: 2, seriesCountByLabelName: undefined,
      seriesCountByMetricName: [{ name: "up", count: 7 }, { name: "down", count: 3 }],
      seriesCountByLabelPair: [{ name: "__name__=up", count: 7 }, { name: "__name__=down", count: 3 }],
      labelValueCountByLabelName: [{ name: "id", count: 10 }, { name: "__name__", count: 2 }],
    },
  );
  assert.deepEqual(index.cardinality(tenants[1], 5).seriesCountByMetricName, [{ name: "down", count: 1 }]);
  assert.equal(index.cardinality(tenants[2], 5).seriesCount, 0);
});

const fullRows: { name: string; sizes: Partial<SeriesIndexOptions> }[] = [
  { name: "series", sizes: { seriesMax: 100 } },
  { name: "pairs", sizes: { pairMax: 150 } },
  { name: "names", sizes: { nameMax: 60 } },
  { name: "strings", sizes: { stringsMaxBytes: 4_000 } },
  { name: "rows", sizes: { rowsMaxBytes: 900 } },
  { name: "postings", sizes: { chunksMaxBytes: 9_000 } },
];
for (const { name, sizes } of fullRows) {
  test(`a full area refuses new series and keeps the old ones: ${name}`, () => {
    const { index } = createSeriesIndex({ seriesMax: 5_000, ...sizes });
    const record = (i: number): Record<string, string> => ({ [`n${i % 200}`]: "1", same: "1", id: `id-${i % 1_000}` });
    assert.throws(() => addMany(index, 5_001, record), (error) => error instanceof LimitError && error.code === "series_limit");
    const count = index.seriesCount;
    assert.ok(count >= 10 && count <= 5_000, `${count} series`);
    assert.throws(() => addMany(index, 1, record), LimitError);
    assert.equal(index.select(tenant0, [[{ name: "same", op: "=", value: "1" }]]).length, count);
    for (let i = 0; i < count; i += 7) assert.deepEqual(index.labels(i), labelsOf(record(i)));
  });
}

test("malformed runs are refused before anything is changed", () => {
  const { index } = createSeriesIndex();
  const run = encodeLabelRun(labelsOf({ a: "1", b: "2" }));
  for (let size = 1; size < run.length; size++) {
    if (size === run.length / 2) continue; // one whole label
    assert.throws(() => index.add(tenant0, run.slice(0, size)));
  }
  const random = seededRandom(3);
  for (let i = 0; i < 2_000; i++) {
    const bytes = Uint8Array.from(run);
    bytes[random.int(bytes.length)] ^= 1 << random.int(8);
    try {
      index.add(tenant0, bytes);
    } catch {
      // refused
    }
  }
  assert.equal(index.add(tenant0, run) + 1, index.seriesCount);
  assert.deepEqual(index.labels(index.seriesCount - 1), labelsOf({ a: "1", b: "2" }));
});

test("bad regular expressions are input errors, also for unknown tenants and labels", () => {
  const { index } = createSeriesIndex();
  assert.throws(() => index.select(tenant0, [[{ name: "absent", op: "=~", value: "a(" }]]), InputError);
  addMany(index, 3, (i) => ({ a: String(i) }));
  assert.throws(() => index.select(tenant0, [[{ name: "a", op: "!~", value: "*" }]]), InputError);
});

test("micro benchmark, small", () => {
  const lines = runBenchmark(3_000, 1);
  assert.ok(lines.length > 5);
});
