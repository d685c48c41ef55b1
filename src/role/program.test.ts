/** The program as a process: command lines, exit codes, starting, stopping, and who owns the data directory. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startHttpNode } from "../../testkit/http_node.ts";

const entry = fileURLToPath(new URL("./main.ts", import.meta.url));
let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "tidemark-role-"));
});
after(() => rmSync(folder, { recursive: true }));

interface Outcome {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Outcome>;
}

function start(...commandArguments: string[]): Running {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", entry, ...commandArguments], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  child.stdout!.on("data", (bytes: Buffer) => (output += bytes.toString()));
  child.stderr!.on("data", (bytes: Buffer) => (errors += bytes.toString()));
  return { child, ended: once(child, "close").then(([code]) => ({ code: code as number | null, output, errors })) };
}

/** Starts a node and waits until it says where it is. */
async function startNode(...flags: string[]): Promise<Running & { url: string }> {
  const running = start("-httpListenAddr=127.0.0.1:0", "-storageDataPath=data", ...flags);
  const url = await new Promise<string>((resolve, reject) => {
    running.child.stdout!.on("data", (bytes: Buffer) => resolve(/http:\/\/\S+/.exec(bytes.toString())?.[0] ?? ""));
    void running.ended.then((outcome) => reject(new Error(outcome.errors)));
  });
  return { ...running, url };
}

const commandLines: { line: string[]; code: number; output?: RegExp; errors?: RegExp }[] = [
  { line: ["-h"], code: 0, output: /Usage: tidemark[^]*-httpListenAddr=<address> .*\(default :8428\)/ },
  { line: ["single", "--help"], code: 0, output: /-retentionPeriod/ },
  { line: ["version"], code: 0, output: /^tidemark \d+\.\d+\.\d+\n$/ },
  { line: ["-version"], code: 0, output: /^tidemark \d+\.\d+\.\d+\n$/ },
  { line: ["-storageDataPaht=x"], code: 2, errors: /^tidemark: unknown flag -storageDataPaht; did you mean -storageDataPath\?/ },
  { line: ["single", "-retentionPeriod=soon"], code: 2, errors: /bad value "soon" of flag -retentionPeriod; allowed: / },
  { line: ["agent"], code: 2, errors: /role agent is not yet available; available: single, ctl/ },
  { line: ["sinlge"], code: 2, errors: /unknown role "sinlge"; did you mean single\?/ },
];

for (const row of commandLines) {
  test(`program: tidemark ${row.line.join(" ")}`, async () => {
    const outcome = await start(...row.line).ended;
    assert.equal(outcome.code, row.code, outcome.errors);
    assert.match(outcome.output, row.output ?? /^$/);
    assert.match(outcome.errors, row.errors ?? /^$/);
  });
}

test("program: a node starts, scrapes itself, stores, stops on SIGTERM, and has its data when it starts again", async () => {
  const first = await startNode("-selfScrapeInterval=100ms", "-fs.disableMmap");
  assert.equal((await fetch(`${first.url}api/v1/import/prometheus`, { method: "POST", body: 'kept{a="b"} 42\n' })).status, 204);
  assert.equal((await fetch(`${first.url}-/ready`)).status, 200);
  const second = await start("-httpListenAddr=127.0.0.1:0", "-storageDataPath=data").ended;
  assert.equal(second.code, 1);
  assert.match(second.errors, new RegExp(`\\b${first.child.pid}\\b`), "the message names the process that has the directory");
  const same = await start(`-httpListenAddr=127.0.0.1:${new URL(first.url).port}`, "-storageDataPath=other").ended;
  assert.equal(same.code, 1);
  assert.match(same.errors, /port \d+ is in use by another program; choose one with -httpListenAddr/);
  first.child.kill("SIGTERM");
  const outcome = await first.ended;
  assert.equal(outcome.code, 0, outcome.errors);
  assert.match(outcome.errors, /flag -fs.disableMmap has no meaning/);

  const again = await startNode("-selfScrapeInterval=0");
  const values = (await (await fetch(`${again.url}api/v1/label/__name__/values`)).json()) as { data: string[] };
  for (const name of ["kept", "up", "scrape_samples_scraped", "vm_app_version"]) assert.ok(values.data.includes(name), name);
  const exported = (await (await fetch(`${again.url}api/v1/export?match[]=kept`)).json()) as { values: number[]; metric: Record<string, string> };
  assert.deepEqual([exported.metric, exported.values], [{ __name__: "kept", a: "b" }, [42]]);
  const up = await (await fetch(`${again.url}api/v1/series?match[]=up`)).json();
  assert.deepEqual(up, { status: "success", data: [{ __name__: "up", instance: "self", job: "tidemark" }] });
  again.child.kill("SIGKILL");
  await again.ended;
});

test("program: a node scrapes what its configuration says, answers queries, and reloads", async () => {
  await using target = await startHttpNode();
  const config = (job: string): string => `scrape_configs:\n- job_name: ${job}\n  scrape_interval: 100ms\n  static_configs:\n  - targets: ["127.0.0.1:${target.port}"]\n`;
  const file = join(folder, "scrape.yml");
  writeFileSync(file, config("first"));
  const node = await startNode("-storageDataPath=scraped", "-promscrape.config=scrape.yml", "-selfScrapeInterval=0");
  const jobsUp = async (): Promise<string[]> => {
    const response = await fetch(`${node.url}api/v1/query?query=${encodeURIComponent("up == 1")}`);
    const answer = (await response.json()) as { data: { result: { metric: Record<string, string> }[] } };
    return answer.data.result.map(({ metric }) => metric["job"]);
  };
  await waitFor(async () => (await jobsUp()).includes("first"));
  const targets = (await (await fetch(`${node.url}api/v1/targets`)).json()) as { data: { activeTargets: { health: string; scrapePool: string }[] } };
  assert.deepEqual(targets.data.activeTargets.map(({ health, scrapePool }) => [health, scrapePool]), [["up", "first"]]);

  writeFileSync(file, "scrape_configs:\n- job_name: bad\n  scrape_intervall: 1s\n");
  const refused = await fetch(`${node.url}-/reload`, { method: "POST" });
  assert.equal(refused.status, 400);
  assert.match(await refused.text(), /scrape\.yml:?.*3.*scrape_intervall/);
  assert.deepEqual(await jobsUp(), ["first"]);

  writeFileSync(file, config("second"));
  node.child.kill("SIGHUP");
  await waitFor(async () => (await jobsUp()).join() === "second");
  node.child.kill("SIGTERM");
  const outcome = await node.ended;
  assert.equal(outcome.code, 0);
  for (const line of [/scrape\.yml read: jobs=1 targets=1/, /refused, the old one stays: .*scrape\.yml:3:3/, /SIGHUP: reading/, /scrape\.yml read again: jobs=1/]) assert.match(outcome.errors, line);
});

test("program: a second signal ends a node that still finishes a request", async () => {
  const node = await startNode("-storageDataPath=signals");
  const upload = connect(Number(new URL(node.url).port), "127.0.0.1");
  upload.on("error", () => undefined);
  upload.write("POST /api/v1/import/prometheus HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf");
  await new Promise((resolve) => setTimeout(resolve, 50));
  node.child.kill("SIGTERM");
  node.child.kill("SIGTERM"); // too soon to be meant
  await new Promise((resolve) => setTimeout(resolve, 350));
  assert.equal(node.child.exitCode, null);
  node.child.kill("SIGTERM");
  const outcome = await node.ended;
  assert.equal(outcome.code, 1);
  assert.match(outcome.errors, /second SIGTERM: exiting at once/);
  upload.destroy();
});

test("program: a wrong configuration is refused at the start", async () => {
  writeFileSync(join(folder, "wrong.yml"), "scrape_configs: 5\n");
  for (const name of ["wrong.yml", "missing.yml"]) {
    const outcome = await start("-httpListenAddr=127.0.0.1:0", `-promscrape.config=${name}`).ended;
    assert.equal(outcome.code, 1);
    assert.match(outcome.errors, new RegExp(name));
  }
});

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail("waited in vain");
}
