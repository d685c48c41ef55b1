/**
 * Rounds of kill -9 on one data directory: writers over HTTP, known and new series, in order, out of order and months late, with flushes, merges and
 * queries in between, until the process is killed: at any moment of that, while it starts, or while it stops. After every round each acknowledged sample is
 * there exactly once and nothing that was never sent.
 */
import assert from "node:assert/strict";
import type { Random } from "../../src/base/random.ts";
import { AcknowledgedStream } from "./acknowledged_stream.ts";
import { pause, ServerProcess, temporaryFolder, waitUntil } from "./server_process.ts";

export interface KillRoundsReport {
  readonly rounds: number;
  readonly acknowledgedSamples: number;
  /** How often each kind of kill was done. */
  readonly kills: Readonly<Record<string, number>>;
}

/** Half an hour before a month ends, so that seals touch two partitions; and months before that. */
const startMs = Date.UTC(2026, 0, 31, 23, 30);
const lateStartMs = Date.UTC(2025, 8, 30, 23, 59);
const requestsMax = 120;
const startUpMsMax = 600;
const stopMsMax = 120;

/** Kills a server on a fresh directory `rounds` times. Rejects when a check fails; the message tells the round. */
export async function killRounds(rounds: number, random: Random): Promise<KillRoundsReport> {
  using folder = temporaryFolder();
  const flags = random.int(3) === 0 ? ["-storage.fsyncInterval=0"] : [];
  const steady = [
    new AcknowledgedStream({ name: "steady", connections: 3, startMs }),
    new AcknowledgedStream({ name: "late", connections: 2, startMs: lateStartMs, protocol: "text" }),
  ];
  const streams = [...steady];
  const kills: Record<string, number> = {};
  for (let round = 0; round < rounds; round++) {
    try {
      await using server = await ServerProcess.start(folder.path, flags);
      for (const stream of streams) await stream.check(server);
      const fresh = new AcknowledgedStream({ name: `fresh ${round}`, connections: 2, startMs: startMs + round * 1000 });
      streams.push(fresh);
      const kind = await killOnce(server, [...steady, fresh], random);
      kills[kind] = (kills[kind] ?? 0) + 1;
    } catch (error) {
      throw new Error(`round ${round}, ${flags.join(" ")}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
    while (random.int(3) === 0) {
      await ServerProcess.startAndKill(folder.path, flags, random.next() * startUpMsMax);
      kills["while starting"] = (kills["while starting"] ?? 0) + 1;
    }
  }
  await using server = await ServerProcess.start(folder.path, flags);
  for (const stream of streams) await stream.check(server);
  await server.merge();
  for (const stream of streams) await stream.check(server);
  assert.equal((await server.stop()).code, 0);
  return { rounds, acknowledgedSamples: streams.reduce((sum, stream) => sum + stream.acknowledgedSamples, 0), kills };
}

/** Writes, and much besides, until the kill. */
async function killOnce(server: ServerProcess, streams: readonly AcknowledgedStream[], random: Random): Promise<string> {
  for (const stream of streams) stream.run(server);
  const upkeep = maintain(server, random);
  const before = acknowledged(streams);
  const requests = 1 + random.int(requestsMax);
  await waitUntil(`${requests} requests acknowledged`, 20_000, () => acknowledged(streams) >= before + requests);
  await pause(random.next() * 60);
  const isStopping = random.int(4) === 0;
  if (isStopping) {
    server.signal("SIGTERM");
    await pause(random.next() * stopMsMax);
  }
  await server.stop("SIGKILL");
  await Promise.all([...streams.map((stream) => stream.stop()), upkeep]);
  if (isStopping) return "while stopping";
  for (const stream of streams) assert.deepEqual([...stream.refusals.keys()], []);
  return "while running";
}

function acknowledged(streams: readonly AcknowledgedStream[]): number {
  return streams.reduce((sum, stream) => sum + stream.acknowledgedRequests, 0);
}

/** Flushes, merges and queries in any order until the server is gone. */
async function maintain(server: ServerProcess, random: Random): Promise<void> {
  for (;;) {
    try {
      const dice = random.int(4);
      if (dice === 0) await server.request("/internal/force_flush");
      else if (dice === 1) await server.request("/internal/force_merge");
      else if (dice === 2) await server.request(`/api/v1/query?${new URLSearchParams({ query: "count(crash_test)", time: String(startMs / 1000 + 60) })}`);
      else await pause(random.next() * 100);
    } catch {
      return; // killed
    }
  }
}
