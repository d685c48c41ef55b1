/** Other programs that tests talk to: found, started on free ports, waited for, and stopped by their process id. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** The path of a peer: from the environment variable, else `fallback`; undefined, said loudly, if it is not there. */
export function findPeer(name: string, variable: string, fallback: string): string | undefined {
  const path = process.env[variable] || fallback;
  try {
    accessSync(path, constants.X_OK);
    return path;
  } catch {
    process.stderr.write(`PEER MISSING: ${name} (${path}; set ${variable}); its tests are skipped\n`);
    return undefined;
  }
}

const stopMsMax = 20_000;

export class PeerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #output = "";

  constructor(command: string, commandArguments: readonly string[]) {
    this.#child = spawn(command, commandArguments, { stdio: ["ignore", "pipe", "pipe"] });
    this.#exited = once(this.#child, "exit");
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) stream.on("data", (bytes: Buffer) => (this.#output = (this.#output + bytes.toString()).slice(-200_000)));
  }

  /** What it has written so far. */
  get output(): string {
    return this.#output;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isRunning) return;
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), stopMsMax);
    await this.#exited;
    clearTimeout(timer);
  }
}

/** Starts the installed program; resolves with its address when it says that it is ready. */
export async function startTidemark(...flags: readonly string[]): Promise<PeerProcess & { readonly url: string }> {
  const launcher = fileURLToPath(new URL("../../bin/tidemark", import.meta.url));
  const node = new PeerProcess(launcher, ["-httpListenAddr=127.0.0.1:0", ...flags]);
  const url = await waitFor("Tidemark", async () => {
    if (!node.isRunning) throw new Error(`Tidemark ended: ${node.output}`);
    return /ready: UI and API at http:\/\/[^:]+:(\d+)\//.exec(node.output)?.[1];
  });
  return Object.assign(node, { url: `http://127.0.0.1:${url}` });
}

/** Asks again and again until the answer is not undefined. */
export async function waitFor<T>(what: string, probe: () => Promise<T | undefined>, timeoutMs = 60_000): Promise<T> {
  const endMs = Date.now() + timeoutMs;
  for (;;) {
    const answer = await probe();
    if (answer !== undefined) return answer;
    if (Date.now() > endMs) throw new Error(`waited ${timeoutMs / 1000} s for ${what}`);
    await sleep(100);
  }
}

/** A port of 127.0.0.1 that nobody listens on at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Whether something answers there. */
export async function isAnswering(url: string): Promise<true | undefined> {
  try {
    return (await fetch(url)).ok || undefined;
  } catch {
    return undefined; // not yet
  }
}
