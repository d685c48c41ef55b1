// One owner per data directory: refused while it lives, taken over when it died, for any order of the steps of several starters.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { StorageError } from "../base/errors.ts";
import { seededRandom } from "../base/random.ts";
import { FaultyFileSystem } from "../disk/faulty_file_system.ts";
import { FileError } from "../disk/file_error.ts";
import { readFile } from "../disk/file_system.ts";
import type { FileSystem } from "../disk/file_system.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { RealFileSystem } from "../disk/real_file_system.ts";
import { failEachOperation } from "../../testkit/crash_simulation.ts";
import { lockDirectory, systemProcesses } from "./directory_lock.ts";
import type { DirectoryLock, ProcessTable } from "./directory_lock.ts";
import { testSeed } from "../../testkit/seed.ts";

const nowMs = Date.UTC(2026, 0, 1);

/** Processes that live until they are removed from `alive` (pid -> start). */
class Machine {
  readonly alive = new Map<number, string>();
  #tokens = 0;

  start(pid: number, start = "boot/1"): ProcessTable {
    this.alive.set(pid, start);
    return { pid, startOf: (other) => this.alive.get(other) };
  }

  lock(files: FileSystem, processes: ProcessTable): DirectoryLock {
    return lockDirectory(files, "/data", { processes, nowMs, token: `t${++this.#tokens}` });
  }
}

const refused = (who: string): { code: string; message: string } => ({
  code: "directory_locked",
  message: `data directory /data is in use by ${who} since 2026-01-01T00:00:00.000Z; stop it or choose another data path`,
});

const stories: { name: string; tell: (files: MemoryFileSystem, machine: Machine) => void }[] = [
  {
    name: "a second process is refused, by name",
    tell(files, machine) {
      machine.lock(files, machine.start(10));
      assert.throws(() => machine.lock(files, machine.start(11)), refused("process 10"));
      assert.deepEqual(files.list("/data"), ["lock"], "nothing is left over");
    },
  },
  {
    name: "the same process is refused too",
    tell(files, machine) {
      const own = machine.start(10);
      machine.lock(files, own);
      assert.throws(() => machine.lock(files, own), refused("this process (10)"));
    },
  },
  {
    name: "a closed lock is free",
    tell(files, machine) {
      const lock = machine.lock(files, machine.start(10));
      lock.close();
      lock.close();
      assert.deepEqual(files.list("/data"), []);
      machine.lock(files, machine.start(11));
    },
  },
  {
    name: "the lock of a dead process is taken over",
    tell(files, machine) {
      machine.lock(files, machine.start(10));
      machine.alive.delete(10);
      machine.lock(files, machine.start(11));
      assert.deepEqual(files.list("/data"), ["lock"]);
      assert.throws(() => machine.lock(files, machine.start(12)), refused("process 11"));
    },
  },
  {
    name: "the lock of an earlier process with the same pid is taken over",
    tell(files, machine) {
      machine.lock(files, machine.start(1, "boot/1"));
      machine.lock(files, machine.start(1, "boot/2"));
    },
  },
  {
    name: "closing a lock that somebody else took does not remove theirs",
    tell(files, machine) {
      const first = machine.lock(files, machine.start(10));
      machine.alive.delete(10);
      machine.lock(files, machine.start(11));
      first.close();
      assert.throws(() => machine.lock(files, machine.start(12)), refused("process 11"));
    },
  },
  {
    name: "an empty, torn or strange lock is stale",
    tell(files, machine) {
      for (const text of ["", '{"pid":10,"pro', "[]", "null", '{"pid":"10"}']) {
        files.makeDirectory("/data");
        using file = files.open("/data/lock", "create");
        file.write(new TextEncoder().encode(text), 0);
        machine.lock(files, machine.start(10)).close();
      }
    },
  },
  {
    name: "a torn claim on a torn lock does not hang",
    tell(files, machine) {
      files.makeDirectory("/data");
      for (const name of ["lock", "lock.claim-unknown"]) files.open("/data/" + name, "create").close();
      machine.lock(files, machine.start(10));
    },
  },
  {
    name: "without hard links the lock works as well",
    tell(files, machine) {
      const noLinks = new FaultyFileSystem(files);
      noLinks.hardLink = (from) => {
        throw new FileError("EPERM", "link", from);
      };
      machine.lock(noLinks, machine.start(10));
      assert.throws(() => machine.lock(noLinks, machine.start(11)), refused("process 10"));
      machine.alive.delete(10);
      machine.lock(noLinks, machine.start(11));
    },
  },
];
for (const story of stories) test(story.name, () => story.tell(new MemoryFileSystem(), new Machine()));

test("a process that dies at any step of a takeover leaves a lock that the next one can take", async () => {
  class Died extends Error {}
  let operationCount = Infinity;
  for (let step = 0; step < operationCount; step++) {
    const files = new MemoryFileSystem();
    const machine = new Machine();
    machine.lock(files, machine.start(10));
    machine.alive.delete(10);
    const faulty = new FaultyFileSystem(files);
    let dead = false;
    faulty.beforeOperation = ({ index }) => {
      dead ||= index === step;
      if (dead) throw new Died();
    };
    try {
      machine.lock(faulty, machine.start(11));
      operationCount = faulty.operationCount;
    } catch (error) {
      if (!(error instanceof Died)) throw error;
    }
    machine.alive.delete(11);
    machine.lock(files, machine.start(12));
    assert.throws(() => machine.lock(files, machine.start(13)), refused("process 12"), `died at step ${step}`);
  }
  assert.ok(operationCount > 5 && operationCount < 50);
});

test("a failed operation leaves no lock of a process that did not get it", async () => {
  await failEachOperation({
    fault: { code: "ENOSPC" },
    run(files, disk) {
      const machine = new Machine();
      machine.lock(disk, machine.start(9));
      machine.alive.delete(9);
      try {
        machine.lock(files, machine.start(10)).close();
      } catch (error) {
        assert.equal((error as { code: string }).code, "disk_full");
        machine.alive.delete(10);
      }
      machine.lock(disk, machine.start(11));
    },
  });
});

test("of several processes that take over a stale lock in any interleaving, at most one holds it", () => {
  const firstSeed = testSeed();
  for (let seed = firstSeed; seed < firstSeed + 300; seed++) {
    const random = seededRandom(seed);
    const files = new MemoryFileSystem();
    const machine = new Machine();
    machine.lock(files, machine.start(10));
    machine.alive.delete(10);
    const holders: number[] = [];
    interleave(files, machine, random.int, [20, 21, 22], holders);
    assert.ok(holders.length <= 1, `seed ${seed}: ${holders.join()} all hold the lock`);
    if (holders.length === 1) assert.throws(() => machine.lock(files, machine.start(30)), refused(`process ${holders[0]}`), `seed ${seed}`);
  }
});

/** Starts one process; before each of its file operations another one may start and run to its end, which may do the same. */
function interleave(files: MemoryFileSystem, machine: Machine, int: (limit: number) => number, pids: readonly number[], holders: number[]): void {
  const [pid, ...others] = pids;
  if (pid === undefined) return;
  let pending = others;
  const faulty = new FaultyFileSystem(files);
  faulty.beforeOperation = () => {
    if (pending.length === 0 || int(8) !== 0) return;
    const started = pending;
    pending = [];
    interleave(files, machine, int, started, holders);
  };
  try {
    machine.lock(faulty, machine.start(pid));
    holders.push(pid);
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== "directory_locked") throw error;
    machine.alive.delete(pid);
  }
  interleave(files, machine, int, pending, holders);
}

test("this process and its start are known to the system, dead ones are not", { skip: process.platform !== "linux" }, () => {
  assert.match(systemProcesses.startOf(process.pid) ?? "", /^[0-9a-f-]{36}\/\d+$/);
  assert.equal(systemProcesses.startOf(2 ** 22 + 1), undefined);
});

test("four real processes that start at once on a stale lock: one gets it", async () => {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-lock-"));
  try {
    writeFileSync(directory + "/lock", JSON.stringify({ pid: 1, processStart: "another boot/1", sinceMs: 0, token: "old" }));
    const module = new URL("./directory_lock.ts", import.meta.url).href;
    const disk = new URL("../disk/real_file_system.ts", import.meta.url).href;
    const program = `
      import { lockDirectory, systemProcesses } from ${JSON.stringify(module)};
      import { RealFileSystem } from ${JSON.stringify(disk)};
      try {
        lockDirectory(new RealFileSystem(), ${JSON.stringify(directory)}, { processes: systemProcesses, nowMs: Date.now(), token: crypto.randomUUID() });
        console.log("held");
      } catch (error) {
        console.log(error.code);
      }
      process.stdin.on("data", () => {}).on("end", () => process.exit()); // lives until all have tried
    `;
    const children = Array.from({ length: 4 }, () => spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["pipe", "pipe", "inherit"] }));
    const answers = await Promise.all(children.map((child) => new Promise<string>((resolve) => child.stdout.once("data", (data) => resolve(String(data).trim())))));
    for (const child of children) child.stdin.end();
    assert.deepEqual(answers.toSorted(), [...Array<string>(3).fill("directory_locked"), "held"]);
    const owner = JSON.parse(new TextDecoder().decode(readFile(new RealFileSystem(), directory + "/lock"))) as { pid: number };
    assert.equal(owner.pid, children[answers.indexOf("held")].pid);
    await Promise.all(children.map((child) => new Promise((resolve) => (child.exitCode === null ? child.once("exit", resolve) : resolve(0)))));
  } finally {
    rmSync(directory, { recursive: true });
  }
});
