/** A real Tidemark for the browser tests: an empty data directory, a free port, its own metrics every second. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Client } from "../../client/index.ts";

const program = fileURLToPath(new URL("../../bin/tidemark", import.meta.url));
const startLimitMs = 60_000;

/** A running server. */
export interface TidemarkProcess extends AsyncDisposable {
  readonly url: string;
}

/** Starts the server and waits until it has drawn enough of its own samples for a line. */
export async function startTidemark(): Promise<TidemarkProcess> {
  const folder = await mkdtemp(join(tmpdir(), "tidemark-browser-"));
  const address = `127.0.0.1:${await findFreePort()}`;
  const child = spawn(program, [`-storageDataPath=${folder}`, `-httpListenAddr=${address}`, "-selfScrapeInterval=1s"], { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => (log = (log + chunk.toString()).slice(-4000)));
  const server = { url: `http://${address}/`, [Symbol.asyncDispose]: () => stop(child, folder) };
  try {
    await waitForSamples(new Client({ baseUrl: server.url }), child);
    return server;
  } catch (error) {
    await stop(child, folder);
    throw new Error(`Tidemark did not start:\n${log}`, { cause: error });
  }
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function waitForSamples(client: Client, child: ChildProcess): Promise<void> {
  const endMs = Date.now() + startLimitMs;
  let problem: unknown;
  while (Date.now() < endMs && child.exitCode === null) {
    try {
      const answer = await client.query({ query: "count_over_time(up[1m])" });
      if (answer.series.length > 0 && answer.series[0].values[0] >= 10) return;
    } catch (error) {
      problem = error; // not listening yet
    }
    await setTimeout(200);
  }
  throw new Error(child.exitCode === null ? `no samples of up after ${startLimitMs / 1000} s` : `it ended with code ${child.exitCode}`, { cause: problem });
}

async function stop(child: ChildProcess, folder: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exit = once(child, "exit");
    child.kill("SIGTERM");
    const killer = new AbortController();
    void setTimeout(10_000, undefined, { signal: killer.signal }).then(() => child.kill("SIGKILL"), () => undefined);
    await exit;
    killer.abort();
  }
  await rm(folder, { recursive: true, force: true });
}
