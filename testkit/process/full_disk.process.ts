/** A disk that is full: writes are refused with the reason, reads go on, and it heals by itself when there is space again. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { AcknowledgedStream } from "./acknowledged_stream.ts";
import { ServerProcess, waitUntil } from "./server_process.ts";
import { SmallDisk } from "./small_disk.ts";

const startMs = Date.UTC(2026, 2, 1);
const diskMebibytes = 24;

const untilTheDiskRefuses = "-storage.minFreeDiskSpaceBytes=0";
const diskRefuses = /no space left on device/;
/** The node refuses before it comes to that; what it was writing then may still meet the full disk. */
const nodeRefuses = /bytes are free on the disk of .*-storage\.minFreeDiskSpaceBytes|no space left on device/;

const rows = [
  { flags: [], reason: nodeRefuses },
  { flags: [untilTheDiskRefuses], reason: diskRefuses },
  { flags: [untilTheDiskRefuses, "-storage.fsyncInterval=0"], reason: diskRefuses },
];

for (const { flags, reason } of rows) {
  test(`full disk: refused writes, reads, recovery by itself ${flags.join(" ")}`, async (context) => {
    using disk = mountOrSkip(context);
    if (disk === undefined) return;
    const stream = new AcknowledgedStream({ connections: 4, startMs, name: "full" });
    {
      await using server = await ServerProcess.start(join(disk.path, "data"), flags);
      await stream.sendSome(server, 0, 40);
      await server.flush();
      await fillWhileWriting(server, disk, stream, reason);

      await stream.check(server);
      assert.deepEqual([...(await server.query("count(crash_test)", startMs + 40_000)).keys()], ["{}"]);
      assert.equal((await server.request("/health")).status, 200);
      const refused = await server.post("/api/v1/import/prometheus", "refused 1\n");
      assert.equal(refused.status, 503, refused.text);
      assert.match(refused.headers.get("Retry-After") ?? "", /^\d+$/);
      const { error } = JSON.parse(refused.text) as { error: string };
      assert.match(error, /cannot be written/);
      assert.match(error, reason);
      const flushed = await server.request("/internal/force_flush");
      assert.equal(flushed.status, 503, flushed.text);

      disk.free();
      await waitUntil("writes are taken again", 10_000, async () => (await stream.sendSome(server, 0, 1))[0] === 204);
      await stream.resendRefused(server);
      await stream.check(server);
      await server.flush();
      await stream.check(server);
      await server.stop("SIGKILL");
    }
    await using server = await ServerProcess.start(join(disk.path, "data"), flags);
    await stream.check(server);
    assert.equal((await server.stop()).code, 0);
  });
}

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  test(`full disk: ${signal} keeps what was acknowledged`, async (context) => {
    using disk = mountOrSkip(context);
    if (disk === undefined) return;
    const stream = new AcknowledgedStream({ connections: 4, startMs, name: "stopped" });
    {
      await using server = await ServerProcess.start(join(disk.path, "data"), [untilTheDiskRefuses]);
      await fillWhileWriting(server, disk, stream, diskRefuses);
      const outcome = await server.stop(signal);
      if (signal === "SIGTERM") assert.equal(outcome.code, 0, outcome.errors);
      assert.doesNotMatch(outcome.errors, /stopping at a bug/);
    }
    disk.free();
    await using server = await ServerProcess.start(join(disk.path, "data"));
    await stream.check(server);
    await stream.resendRefused(server);
    await stream.check(server);
  });
}

test("full disk: a node that cannot start says why, and starts when there is space", async (context) => {
  using disk = mountOrSkip(context);
  if (disk === undefined) return;
  const directory = join(disk.path, "data");
  const stream = new AcknowledgedStream({ connections: 1, startMs, name: "start" });
  {
    await using server = await ServerProcess.start(directory);
    await stream.sendSome(server, 0, 40);
    await server.stop("SIGKILL");
  }
  disk.fill(0);
  await assert.rejects(ServerProcess.start(directory), /ended with 1[^]*no space left on device/);
  disk.free();
  await using server = await ServerProcess.start(directory);
  await stream.check(server);
});

/** Writes on all connections while the disk runs full, until each has been refused several times, for the reason given. */
async function fillWhileWriting(server: ServerProcess, disk: SmallDisk, stream: AcknowledgedStream, reason: RegExp): Promise<void> {
  stream.run(server);
  await waitUntil("writes are taken", 10_000, () => stream.acknowledgedRequests >= 60);
  disk.fill(256 << 10);
  await waitUntil("writes are refused", 30_000, () => stream.refusedRequests >= 20);
  await stream.stop();
  disk.fill(0);
  for (const refusal of stream.refusals.keys()) {
    assert.match(refusal, /^503 /);
    assert.match(refusal, reason);
  }
}

function mountOrSkip(context: TestContext): SmallDisk | undefined {
  const disk = SmallDisk.mount(diskMebibytes);
  if (typeof disk !== "string") return disk;
  const reason = `NOT TESTED: a small disk cannot be mounted here: ${disk}`;
  process.stderr.write(`${reason}\n`);
  context.skip(reason);
  return undefined;
}
