/**
 * kill -9 during a stream of remote writes: after the restart every sample that was answered with 2xx is there, once. Each case kills the
 * same directory three times, at moments drawn from a printed seed, so that what one recovery left behind is what the next one finds.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../src/base/random.ts";
import { testSeed } from "../seed.ts";
import { AcknowledgedStream } from "./acknowledged_stream.ts";
import { pause, ServerProcess, temporaryFolder, waitUntil } from "./server_process.ts";

const seed = testSeed();
const random = seededRandom(seed);
const kills = 3;
const startMs = Date.UTC(2026, 0, 31, 23, 50); // samples cross a month, so that seals touch two partitions

const cases: { name: string; flags: string[]; maintenance: boolean }[] = [
  { name: "plain", flags: [], maintenance: false },
  { name: "while flushing and merging", flags: [], maintenance: true },
  { name: "synced before every answer", flags: ["-storage.fsyncInterval=0"], maintenance: false },
  { name: "synced before every answer, while flushing and merging", flags: ["-storage.fsyncInterval=0"], maintenance: true },
];

for (const { name, flags, maintenance } of cases) {
  test(`crash: kill -9 three times, ${name} (seed ${seed})`, async (context) => {
    using folder = temporaryFolder();
    const streams: AcknowledgedStream[] = [];
    for (let kill = 0; kill < kills; kill++) {
      await using server = await ServerProcess.start(folder.path, flags);
      for (const stream of streams) await stream.check(server);
      const stream = new AcknowledgedStream({ connections: 4, startMs, name: `${kill}` });
      streams.push(stream);
      stream.run(server);
      const upkeep = maintenance ? maintain(server) : Promise.resolve();
      const requests = Math.floor(random.next() * 600) + 60;
      await waitUntil(`${requests} requests acknowledged`, 20_000, () => stream.acknowledgedRequests >= requests);
      await pause(random.next() * 50); // any moment
      await server.stop("SIGKILL");
      await Promise.all([stream.stop(), upkeep]);
      context.diagnostic(`killed after ${stream.acknowledgedRequests} acknowledged requests`);
      assert.deepEqual([...stream.refusals.keys()], []);
    }
    await using server = await ServerProcess.start(folder.path, flags);
    for (const stream of streams) await stream.check(server);
    await server.merge();
    for (const stream of streams) await stream.check(server);
    assert.equal((await server.stop()).code, 0);
  });
}

/** Flushes and merges one after the other until the server is gone. */
async function maintain(server: ServerProcess): Promise<void> {
  for (;;) {
    try {
      await server.flush();
      await server.merge();
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      return; // killed
    }
  }
}
