/** Stopping in order, being stopped twice, and who owns a data directory. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { AcknowledgedStream } from "./acknowledged_stream.ts";
import { pause, runProgram, ServerProcess, temporaryFolder, waitUntil } from "./server_process.ts";

const startMs = Date.UTC(2026, 1, 10);
/** A node that is only a test's size stops much faster than the 30 s that it may take. */
const stopMsMax = 5000;

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`shutdown: ${signal} ends with code 0 and keeps everything`, async () => {
    using folder = temporaryFolder();
    const stream = new AcknowledgedStream({ connections: 2, startMs, name: "idle" });
    await using first = await ServerProcess.start(folder.path);
    assert.deepEqual([...(await stream.sendSome(first, 0, 20)), ...(await stream.sendSome(first, 1, 20))], Array.from({ length: 40 }, () => 204));
    const outcome = await first.stop(signal, stopMsMax);
    assert.equal(outcome.code, 0, outcome.errors);
    assert.doesNotMatch(outcome.errors, /\t(error|fatal|panic)\t/);
    await using second = await ServerProcess.start(folder.path);
    assert.match(second.errors, /\b0 log records replayed/, "a node that stopped in order has sealed everything");
    await stream.check(second);
  });
}

test("shutdown: SIGTERM during writes keeps what was acknowledged and leaves no request without an end", async () => {
  using folder = temporaryFolder();
  const streams: AcknowledgedStream[] = [];
  for (let round = 0; round < 3; round++) {
    await using server = await ServerProcess.start(folder.path);
    for (const stream of streams) await stream.check(server);
    const stream = new AcknowledgedStream({ connections: 6, startMs, name: `${round}` });
    streams.push(stream);
    stream.run(server);
    await waitUntil("200 requests acknowledged", 20_000, () => stream.acknowledgedRequests >= 200);
    const outcome = await server.stop("SIGTERM", stopMsMax);
    await stream.stop();
    assert.equal(outcome.code, 0, outcome.errors);
    assert.ok([...stream.refusals.keys()].every((refusal) => refusal.startsWith("503 ")), [...stream.refusals.keys()].join("\n"));
  }
  await using server = await ServerProcess.start(folder.path);
  for (const stream of streams) await stream.check(server);
});

test("shutdown: a second SIGTERM ends at once and loses nothing acknowledged", async () => {
  using folder = temporaryFolder();
  const stream = new AcknowledgedStream({ connections: 1, startMs, name: "twice" });
  {
    await using server = await ServerProcess.start(folder.path);
    await stream.sendSome(server, 0, 20);
    // A request that never ends: the node would wait for it.
    const upload = connect(server.port, "127.0.0.1");
    upload.on("error", () => undefined);
    upload.write("POST /api/v1/import/prometheus HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf");
    await waitUntil("the upload has arrived", 5000, async () => (await server.metric('vm_http_requests_total{path="/api/v1/import/prometheus"}')) > 0);
    server.signal("SIGTERM");
    await waitUntil("the first signal is seen", 5000, () => server.errors.includes("SIGTERM: stopping"));
    await pause(400); // a signal that comes sooner is taken for the same one
    const sinceMs = performance.now();
    const outcome = await server.stop("SIGTERM", stopMsMax);
    assert.ok(performance.now() - sinceMs < 1000, "at once");
    assert.equal(outcome.code, 1);
    assert.match(outcome.errors, /second SIGTERM/);
    upload.destroy();
  }
  await using server = await ServerProcess.start(folder.path);
  await stream.check(server);
});

test("shutdown: a data directory belongs to one process, until that is gone", async () => {
  using folder = temporaryFolder();
  const stream = new AcknowledgedStream({ connections: 1, startMs, name: "owner" });
  const lock = join(folder.path, "lock");
  await using first = await ServerProcess.start(folder.path);
  await stream.sendSome(first, 0, 5);
  const refused = await runProgram([`-storageDataPath=${folder.path}`, "-httpListenAddr=127.0.0.1:0"]);
  assert.equal(refused.code, 1);
  assert.match(refused.errors, new RegExp(`${folder.path} is in use by process ${first.pid} since \\d{4}-`));
  await stream.sendSome(first, 0, 5);
  await stream.check(first);

  await first.stop("SIGKILL");
  assert.match(readFileSync(lock, "utf8"), new RegExp(`"pid":${first.pid},`), "the dead process has left its lock");
  await using second = await ServerProcess.start(folder.path);
  assert.match(readFileSync(lock, "utf8"), new RegExp(`"pid":${second.pid},`));
  await stream.check(second);

  const [third, fourth] = await Promise.all([0, 1].map(() => runProgram([`-storageDataPath=${folder.path}`, "-httpListenAddr=127.0.0.1:0"])));
  assert.deepEqual([third.code, fourth.code], [1, 1]);
  assert.equal((await second.stop()).code, 0);
  assert.throws(() => readFileSync(lock), { code: "ENOENT" }, "a node that stops in order gives its directory back");
});

test("shutdown: of two processes that find a stale lock, one gets the directory", async () => {
  using folder = temporaryFolder();
  {
    await using dead = await ServerProcess.start(folder.path);
    await dead.stop("SIGKILL");
  }
  const starts = await Promise.allSettled([0, 1].map(() => ServerProcess.start(folder.path)));
  const won = starts.filter((start) => start.status === "fulfilled").map((start) => start.value);
  const lost = starts.filter((start) => start.status === "rejected").map((start) => String(start.reason));
  try {
    assert.equal(won.length, 1, lost.join("\n"));
    assert.match(lost[0], new RegExp(`in use by process ${won[0].pid}`));
  } finally {
    for (const server of won) await server[Symbol.asyncDispose]();
  }
});
