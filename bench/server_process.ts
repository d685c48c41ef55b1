/** A server under test: started on a folder and a port of its own, measured from outside through /proc, stopped by SIGTERM. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** /proc counts CPU time in these. */
const ticksPerSecond = 100;
const readyTimeoutMs = 30_000;
const stopTimeoutMs = 60_000;

export interface ServerCommand {
  readonly name: string;
  /** Program and parameters; {port} and {data} are replaced. */
  readonly command: readonly string[];
}

export class ServerProcess implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #logPath: string;

  private constructor(child: ChildProcess, port: number, logPath: string) {
    this.port = port;
    this.#child = child;
    this.#logPath = logPath;
    this.#exited = new Promise((resolve) => child.once("exit", () => resolve()));
  }

  /** Starts a server below `folder` and waits until it says that it is healthy. */
  static async start(server: ServerCommand, folder: string): Promise<ServerProcess> {
    const port = await freePort();
    const [program, ...parameters] = server.command.map((part) => part.replace("{port}", String(port)).replace("{data}", join(folder, "data")));
    const logPath = join(folder, "server.log");
    const log = openSync(logPath, "w");
    const child = spawn(program, parameters, { cwd: folder, stdio: ["ignore", log, log] });
    closeSync(log);
    child.once("error", (cause) => (startFailure = cause));
    let startFailure: Error | undefined;
    const started = new ServerProcess(child, port, logPath);
    for (const beginMs = performance.now(); performance.now() - beginMs < readyTimeoutMs; await sleep(50)) {
      if (startFailure !== undefined) throw startFailure;
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${server.name} exited with ${child.exitCode ?? child.signalCode}:\n${started.logTail()}`);
      if ((await started.get("/health"))?.status === 200) return started;
    }
    await started[Symbol.asyncDispose]();
    throw new Error(`${server.name} was not healthy after ${readyTimeoutMs / 1000} s:\n${started.logTail()}`);
  }

  /** The answer to a GET, or undefined if there was none. */
  async get(path: string): Promise<{ status: number; text: string } | undefined> {
    try {
      const response = await fetch(`http://127.0.0.1:${this.port}${path}`);
      return { status: response.status, text: await response.text() };
    } catch {
      return undefined; // not listening yet, or gone
    }
  }

  /** CPU time of the process's first thread so far: in Tidemark, the one that parses, writes the heads and serves HTTP. */
  mainThreadCpuSeconds(): number {
    const fields = statFields(this.#child.pid!, `task/${this.#child.pid!}/`);
    return fields === undefined ? Number.NaN : (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  }

  /** CPU time of the process tree so far. */
  cpuSeconds(): number {
    let ticks = 0;
    // After the name in parentheses: state, parent and ten more, then user and system time.
    for (const pid of this.#tree()) {
      const fields = statFields(pid);
      if (fields !== undefined) ticks += Number(fields[11]) + Number(fields[12]);
    }
    return ticks / ticksPerSecond;
  }

  /** Resident memory of the process tree, now and at its highest. */
  memoryBytes(): { resident: number; peak: number } {
    const memory = { resident: 0, peak: 0 };
    for (const pid of this.#tree()) {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      memory.resident += Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
      memory.peak += Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
    }
    return memory;
  }

  #tree(): number[] {
    const parents = new Map<number, number>();
    for (const name of readdirSync("/proc")) {
      const fields = /^\d+$/.test(name) ? statFields(Number(name)) : undefined;
      if (fields !== undefined) parents.set(Number(name), Number(fields[1]));
    }
    const tree = [this.#child.pid!];
    for (const pid of tree) for (const [child, parent] of parents) if (parent === pid) tree.push(child);
    return tree.filter((pid) => parents.has(pid));
  }

  logTail(): string {
    return readFileSync(this.#logPath, "utf8").split("\n").slice(-20).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGTERM");
    const killer = setTimeout(() => this.#child.kill("SIGKILL"), stopTimeoutMs);
    await this.#exited;
    clearTimeout(killer);
  }
}

/** The fields of /proc/PID/stat after the name of the program; undefined when the process is gone. */
function statFields(pid: number, thread = ""): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/${thread}stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined; // it ended meanwhile
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
