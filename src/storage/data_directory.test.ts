// Shows that data directories of older formats stay readable: the golden directories in conformance/ are opened by this program, give back every
// series, sample, label and piece of metadata of their listing, and can be written, merged and opened again; and that directories of newer
// formats are refused with a clear message, and left as they are.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { readFile } from "../disk/file_system.ts";
import { RealFileSystem } from "../disk/real_file_system.ts";
import { checksumOfBytes } from "../kernel/checksum.ts";
import { labelsOf, labelsToRecord } from "../model/labels.ts";
import { defaultTenant, type Matcher } from "../model/matcher.ts";
import { RowBatchBuilder } from "../model/row_batch_builder.ts";
import { goldenMetadata, goldenNowMs, type GoldenSeries, goldenTenants, readGoldenSeries } from "../../testkit/golden_directory.ts";
import { openTestStore } from "../../testkit/local_stores.ts";
import { storageFormats } from "./formats.ts";
import type { LocalStore } from "./local_store.ts";
import { decodeManifest, encodeManifest, type ManifestState } from "./manifest_state.ts";

const everything = { minMs: 0, maxMs: 4e12 };
const goldenFolder = fileURLToPath(new URL("../../conformance", import.meta.url));
const goldenNames = readdirSync(goldenFolder).filter((name) => name.startsWith("data_directory_v"));

/** A copy that may be changed. */
function copyOf(name: string): Disposable & { readonly directory: string } {
  const folder = mkdtempSync(join(tmpdir(), "tidemark-golden-"));
  const directory = join(folder, "data");
  cpSync(join(goldenFolder, name, "data"), directory, { recursive: true });
  return { directory, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
}

function open(directory: string, nowMs: number): Promise<LocalStore> {
  return openTestStore(new RealFileSystem(), { directory, nowMs });
}

const keyOf = ({ tenant, labels }: Pick<GoldenSeries, "tenant" | "labels">): string => `${tenant} ${JSON.stringify(Object.entries(labels).sort())}`;

/** All that the store holds, in the form of the listing. */
async function readAll(store: LocalStore): Promise<GoldenSeries[]> {
  const all: GoldenSeries[] = [];
  for (const tenant of goldenTenants) {
    const found = await store.search({ tenant, selector: [[]], range: everything });
    for await (const batch of found.batches) {
      const words = new BigUint64Array(batch.values.buffer as ArrayBuffer, batch.values.byteOffset, batch.values.length);
      for (let i = 0; i < batch.seriesCount; i++) {
        const [from, to] = [batch.sampleFrom[i], batch.sampleFrom[i + 1]];
        const order = Array.from({ length: to - from }, (_, k) => from + k).sort((a, b) => batch.timestampsMs[a] - batch.timestampsMs[b] || (words[a] < words[b] ? -1 : 1));
        all.push({
          tenant: `${tenant.accountId}:${tenant.projectId}`,
          labels: labelsToRecord(batch.labels(i)),
          timestampsMs: order.map((k) => batch.timestampsMs[k]),
          valueBits: order.map((k) => words[k]),
        });
      }
    }
    assert.equal(found.isPartial(), false);
  }
  return all;
}

async function checkSamples(store: LocalStore, expected: readonly GoldenSeries[]): Promise<void> {
  const actual = new Map((await readAll(store)).map((series) => [keyOf(series), series]));
  assert.deepEqual([...actual.keys()].sort(), expected.map(keyOf).sort());
  for (const series of expected) assert.deepEqual(actual.get(keyOf(series)), series);
}

const selectors: readonly (readonly Matcher[])[] = [
  [],
  [{ name: "__name__", op: "=", value: "metric_3" }],
  [{ name: "job", op: "=", value: "größe 東京" }, { name: "instance", op: "=~", value: "host-.*-1.*" }],
  [{ name: "label_2", op: "!=", value: "" }, { name: "label_3", op: "!~", value: "value [01]" }],
  [{ name: "of", op: "=", value: "another tenant" }],
  [{ name: "kind", op: "=~", value: "merged|only" }],
];

function isMatching(labels: Record<string, string>, { name, op, value }: Matcher): boolean {
  const actual = labels[name] ?? "";
  const isEqual = op.endsWith("~") ? new RegExp(`^(?:${value})$`).test(actual) : actual === value;
  return isEqual === !op.startsWith("!");
}

const sorted = (values: Iterable<string>): string[] => [...new Set(values)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

async function checkLabels(store: LocalStore, expected: readonly GoldenSeries[]): Promise<void> {
  for (const tenant of goldenTenants) {
    const own = expected.filter((series) => series.tenant === `${tenant.accountId}:${tenant.projectId}`).map(({ labels }) => labels);
    for (const matchers of selectors) {
      const matching = own.filter((labels) => matchers.every((matcher) => isMatching(labels, matcher)));
      const request = { tenant, selector: [matchers], range: everything, limit: 0 };
      assert.deepEqual(await store.labelNames(request), sorted(matching.flatMap((labels) => Object.keys(labels))));
      for (const name of ["__name__", "instance", "label_2", "missing"]) {
        const values = matching.flatMap((labels) => (labels[name] === undefined ? [] : [labels[name]]));
        assert.deepEqual(await store.labelValues(name, request), sorted(values), `values of ${name}`);
      }
      const series = (await store.series(request)).map((labels) => JSON.stringify(labels));
      assert.deepEqual(series.sort(), matching.map((labels) => JSON.stringify(labelsOf(labels))).sort());
    }
  }
}

async function checkAll(store: LocalStore, expected: readonly GoldenSeries[]): Promise<void> {
  await checkSamples(store, expected);
  await checkLabels(store, expected);
  const byFamily = (list: typeof goldenMetadata): object => Object.fromEntries(list.map((entry) => [entry.metricFamily, entry]));
  assert.deepEqual(byFamily(await store.metadata()), byFamily(goldenMetadata));
}

/** One more sample for every tenth series and a new series; returns the listing with them. */
async function writeMore(store: LocalStore, expected: readonly GoldenSeries[], timestampMs: number): Promise<GoldenSeries[]> {
  const added: GoldenSeries = { tenant: "0:0", labels: { __name__: "added_later" }, timestampsMs: [timestampMs], valueBits: [0x8000000000000000n] };
  const tenth = new Set(expected.filter(({ tenant }, i) => i % 10 === 0 && tenant === "0:0"));
  const builder = new RowBatchBuilder(defaultTenant);
  const bits = new Float64Array(BigUint64Array.of(0x8000000000000000n).buffer);
  for (const { labels } of [...tenth, added]) builder.addSeries(labelsOf(labels), Float64Array.of(timestampMs), bits);
  assert.deepEqual(await store.write(builder.build()), { acceptedSamples: tenth.size + 1, droppedSamples: {} });
  const changed = expected.map((series) => (tenth.has(series) ? { ...series, timestampsMs: [...series.timestampsMs, timestampMs], valueBits: [...series.valueBits, 0x8000000000000000n] } : series));
  return [...changed, added];
}

for (const name of goldenNames) {
  const expected = readGoldenSeries(join(goldenFolder, name, "series.jsonl"));
  // A year later all its months are old ones, and the samples that come are in months that it does not have.
  for (const [when, nowMs] of [["at once", goldenNowMs], ["a year later", goldenNowMs + 365 * 86_400_000]] as const) {
    test(`${name} is read, written, merged and read again, ${when}`, async () => {
      using copy = copyOf(name);
      const first = await open(copy.directory, nowMs);
      await checkAll(first, expected);
      const more = await writeMore(first, expected, nowMs);
      await checkSamples(first, more);
      await first.flush();
      await first[Symbol.asyncDispose]();
      const second = await open(copy.directory, nowMs);
      await checkAll(second, more);
      await second.merge();
      await checkAll(second, more);
      await second[Symbol.asyncDispose]();
      const third = await open(copy.directory, nowMs);
      await checkAll(third, more);
      await third[Symbol.asyncDispose]();
    });
  }
}

test("every older format that is read has a golden directory", () => {
  const formats = goldenNames.map((name) => manifestOf(join(goldenFolder, name, "data")).formats);
  for (const [kind, { min, current }] of Object.entries(storageFormats)) {
    for (let version = min; version < current; version++) assert.ok(formats.some((versions) => versions[kind] === version), `a directory with ${kind} format ${version}`);
  }
});

function manifestOf(directory: string): ManifestState {
  return decodeManifest(readFile(new RealFileSystem(), `${directory}/manifest`), "manifest");
}

function rewriteManifest(directory: string, change: (state: ManifestState) => object): void {
  writeFileSync(`${directory}/manifest`, encodeManifest(change(manifestOf(directory)) as ManifestState));
}

/** Paths, contents and times of all files but the lock, which the refused program takes and gives back. */
function printFiles(directory: string): string[] {
  const paths = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((path) => path !== "lock").sort();
  return paths.map((path) => {
    const stat = statSync(join(directory, path));
    return stat.isDirectory() ? path : `${path} ${stat.mtimeMs} ${checksumOfBytes(readFileSync(join(directory, path)))}`;
  });
}

const refused: { name: string; prepare: (directory: string) => void; message: RegExp }[] = [
  {
    name: "the manifest",
    prepare: (directory) => rewriteManifest(directory, (state) => ({ ...state, formatVersion: 77 })),
    message: /\/manifest has manifest format 77; this program reads format \d+$/,
  },
  ...Object.keys(storageFormats).map((kind) => ({
    name: `${kind} files`,
    prepare: (directory: string) => rewriteManifest(directory, (state) => ({ ...state, formats: { ...state.formats, [kind]: 77 } })),
    message: new RegExp(`/manifest says that the directory has ${kind} format 77; this program reads ${kind} formats? \\d.*: a newer one has written it$`),
  })),
  {
    name: "files of an unknown kind",
    prepare: (directory) => rewriteManifest(directory, (state) => ({ ...state, formats: { ...state.formats, frozen: 1 } })),
    message: /\/manifest says that the directory has frozen format 1, which this program does not know: a newer one has written it$/,
  },
  {
    name: "a log segment",
    prepare(directory) {
      const path = join(directory, "log", readdirSync(join(directory, "log"))[0]);
      const bytes = readFileSync(path);
      bytes.writeUInt32LE(77, 8);
      bytes.writeUInt32LE(checksumOfBytes(bytes.subarray(0, 56)), 56);
      writeFileSync(path, bytes);
      writeFileSync(join(directory, "partitions/2023_11/orphan"), "the newer program may know what this is for");
    },
    message: /\/log\/\d+\.log has log format 77; this program reads formats 1 to 2$/,
  },
];
for (const row of refused) {
  test(`a directory with ${row.name} of a newer format is refused and stays as it is`, async () => {
    using copy = copyOf(goldenNames[0]);
    row.prepare(copy.directory);
    const before = printFiles(copy.directory);
    await assert.rejects(open(copy.directory, goldenNowMs), { code: "unsupported_format", message: row.message });
    assert.deepEqual(printFiles(copy.directory), before);
  });
}
