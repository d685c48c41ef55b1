/** Samples in every order and of every age, from the wire to the answer, before and after they are sealed, merged and restarted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { labelsOf } from "../../src/model/labels.ts";
import type { BodySeries } from "../remote_write_body.ts";
import { ServerProcess, temporaryFolder } from "./server_process.ts";

const baseMs = Date.UTC(2026, 4, 1, 12);
const stepMs = 15_000;
const yearMs = 365 * 86_400_000;
const staleMarkerBits = 0x7ff0000000000002n;

function series(name: string, timestampsMs: readonly number[], values: readonly number[] | Float64Array): BodySeries {
  return { labels: labelsOf({ __name__: name, job: "test" }), timestampsMs, values: values instanceof Float64Array ? values : Float64Array.from(values) };
}

/** NaN payloads do not survive an array of numbers: the marker is placed bit by bit. */
function withMarker(values: readonly number[], index: number): Float64Array {
  const floats = Float64Array.from(values);
  new BigUint64Array(floats.buffer)[index] = staleMarkerBits;
  return floats;
}

/** Runs `check` on the samples in memory, sealed, merged, and after a restart. */
async function everywhere(directory: string, write: (server: ServerProcess) => Promise<void>, check: (server: ServerProcess, where: string) => Promise<void>): Promise<void> {
  {
    await using server = await ServerProcess.start(directory);
    await write(server);
    await check(server, "in memory");
    await server.flush();
    await check(server, "sealed");
    await server.merge();
    await check(server, "merged");
    assert.equal((await server.stop()).code, 0);
  }
  await using server = await ServerProcess.start(directory);
  await check(server, "after a restart");
}

test("samples: out of order within and across requests", async () => {
  using folder = temporaryFolder();
  const count = 200;
  const order = Array.from({ length: count }, (_, i) => (i * 73) % count);
  await everywhere(
    folder.path,
    async (server) => {
      for (let from = 0; from < count; from += 50) {
        const part = order.slice(from, from + 50);
        const answer = await server.write([series("shuffled", part.map((i) => baseMs + i * stepMs), part.map((i) => i * 2))]);
        assert.equal(answer.status, 204, answer.text);
        if (from === 100) await server.flush(); // older samples than those in parts follow
      }
    },
    async (server, where) => {
      const [line, ...others] = await server.exportLines("shuffled");
      assert.equal(others.length, 0, where);
      assert.deepEqual(line.timestamps, Array.from({ length: count }, (_, i) => baseMs + i * stepMs), where);
      assert.deepEqual(line.values, Array.from({ length: count }, (_, i) => i * 2), where);
      const [answer] = await server.queryRange("shuffled", baseMs, baseMs + (count - 1) * stepMs, stepMs);
      assert.deepEqual(answer.values.map(([, value]) => Number(value)), Array.from({ length: count }, (_, i) => i * 2), where);
    },
  );
});

test("samples: the same time twice gives one value in a query", async () => {
  using folder = temporaryFolder();
  const times = [0, 1, 2, 3, 4].map((i) => baseMs + i * stepMs);
  await everywhere(
    folder.path,
    async (server) => {
      assert.equal((await server.write([series("again", times, [1, 2, 3, 4, 5])])).status, 204);
      assert.equal((await server.write([series("again", times, [1, 2, 3, 4, 5])])).status, 204);
    },
    async (server, where) => {
      const [answer] = await server.queryRange("again", times[0], times[4], stepMs);
      assert.deepEqual(answer.values.map(([, value]) => value), ["1", "2", "3", "4", "5"], where);
      assert.equal([...(await server.query("max_over_time(again[1m])", times[4])).values()].join(), "5", where);
      assert.equal([...(await server.query("increase(again[30s])", times[4])).values()].join(), "2", where);
    },
  );
});

test("samples: years old, and as far ahead as is allowed", async () => {
  using folder = temporaryFolder();
  const nowMs = Date.now();
  const times = [nowMs - 40 * yearMs, nowMs - 10 * yearMs, nowMs - yearMs, nowMs, nowMs + 86_400_000].map((timeMs) => Math.floor(timeMs / 1000) * 1000);
  await everywhere(
    folder.path,
    async (server) => {
      for (const [i, timeMs] of times.entries()) assert.equal((await server.write([series("ages", [timeMs], [i + 1])])).headers.get("X-Tidemark-Dropped-Rows"), null);
      const late = await server.write([series("ages", [nowMs + 3 * 86_400_000], [99])]);
      assert.equal(late.headers.get("X-Tidemark-Dropped-Rows"), "too_far_in_future=1");
      const early = await server.write([series("ages", [nowMs - 101 * yearMs], [99])]);
      assert.equal(early.headers.get("X-Tidemark-Dropped-Rows"), "too_old=1");
    },
    async (server, where) => {
      for (const [i, timeMs] of times.entries()) assert.equal([...(await server.query("ages", timeMs + 1000)).values()].join(), String(i + 1), `${where}, ${new Date(timeMs).toISOString()}`);
      assert.deepEqual((await server.exportLines("ages"))[0].timestamps, times, where);
      assert.equal((await server.query("ages", times[1] + yearMs)).size, 0, where);
    },
  );
});

test("samples: a stale marker ends a series in a query, and the next sample begins it again", async () => {
  using folder = temporaryFolder();
  const times = Array.from({ length: 12 }, (_, i) => baseMs + i * stepMs);
  await everywhere(
    folder.path,
    async (server) => {
      assert.equal((await server.write([series("ends", times.slice(0, 6), withMarker([1, 2, 3, 4, 5, 0], 5))])).status, 204);
      assert.equal((await server.write([series("goes_on", times.slice(0, 5), [1, 2, 3, 4, 5])])).status, 204);
      assert.equal((await server.write([series("begins_again", times, withMarker([1, 2, 3, 4, 5, 0, 7, 8, 9, 10, 11, 12], 5))])).status, 204);
    },
    async (server, where) => {
      assert.equal([...(await server.query("ends", times[4])).values()].join(), "5", where);
      assert.equal((await server.query("ends", times[5])).size, 0, `${where}: the marker`);
      assert.equal((await server.query("ends", times[5] + 5000)).size, 0, `${where}: after the marker`);
      assert.equal([...(await server.query("goes_on", times[5])).values()].join(), "5", `${where}: without a marker a value lasts longer`);
      assert.equal([...(await server.query("begins_again", times[7])).values()].join(), "8", where);
      const [answer] = await server.queryRange("begins_again", times[0], times[11], stepMs);
      assert.deepEqual(answer.values.map(([timeS, value]) => [timeS * 1000, Number(value)]), times.map((timeMs, i) => [timeMs, i + 1]).filter((_, i) => i !== 5), where);
      assert.equal([...(await server.query("count_over_time(begins_again[3m])", times[11])).values()].join(), "11", `${where}: a marker is no sample`);
      assert.deepEqual((await server.exportLines("ends"))[0].values, [1, 2, 3, 4, 5, null], `${where}: export shows the marker`);
    },
  );
});

test("samples: numbers come back as they were sent", async () => {
  using folder = temporaryFolder();
  const values = [0, -0, 1, -1, 0.1, 1e-308, 5e-324, 1.7976931348623157e308, 123456789012345680, 2 ** 53 + 2, Infinity, -Infinity, Math.PI, -1e-9];
  const times = values.map((_, i) => baseMs + i * 1000);
  const written = values.map((value) => (Number.isFinite(value) ? value + 0 : String(value)));
  const answered = new Map([["+Inf", Infinity], ["-Inf", -Infinity]]);
  await everywhere(
    folder.path,
    async (server) => assert.equal((await server.write([series("numbers", times, values)])).status, 204),
    async (server, where) => {
      const exported = (await server.exportLines("numbers"))[0].values;
      assert.deepEqual(exported.map((value) => (typeof value === "number" ? value + 0 : value)), written, where); // -0 may become 0
      for (const [i, value] of values.entries()) {
        const found = [...(await server.query("last_over_time(numbers[1s])", times[i])).values()];
        assert.deepEqual(found.map((text) => answered.get(text) ?? Number(text) + 0), [value + 0], `${where}: ${value}`);
      }
    },
  );
});

const nanCases = [
  { flags: [], isKept: false },
  { flags: ["-search.dialect=promql"], isKept: true },
  { flags: ["-storage.keepNaN=true"], isKept: true },
  { flags: ["-search.dialect=promql", "-storage.keepNaN=false"], isKept: false },
];
for (const { flags, isKept } of nanCases) {
  test(`samples: NaN is ${isKept ? "kept" : "dropped"} with the flags "${flags.join(" ")}"`, async () => {
    using folder = temporaryFolder();
    await using server = await ServerProcess.start(folder.path, flags);
    const written = await server.write([series("holes", [baseMs, baseMs + stepMs, baseMs + 2 * stepMs], [1, Number.NaN, 3])]);
    assert.equal(written.headers.get("X-Tidemark-Dropped-Rows"), isKept ? null : "nan_value=1");
    const counts = async (dialect: string): Promise<string> => {
      const answer = await server.request(`/api/v1/query?${new URLSearchParams({ query: 'count_over_time(holes{job="test"}[5m])', time: String((baseMs + 60_000) / 1000), dialect })}`);
      return (JSON.parse(answer.text) as { data: { result: { value: [number, string] }[] } }).data.result.map(({ value }) => value[1]).join();
    };
    assert.deepEqual([await counts("promql"), await counts("metricsql")], [isKept ? "3" : "2", "2"]);
    assert.deepEqual((await server.exportLines('holes{job="test"}'))[0].values, isKept ? [1, null, 3] : [1, 3]);
  });
}
