/**
 * The conformance corpora over HTTP: run.py of the shared conformance folder beside the checkout starts bin/tidemark and asks it
 * everything. Which cases fail is compared with conformance/expected_failures/<list>.txt; a case that fails without being listed there
 * and one that is listed but passes both fail the test, so that the lists can only become shorter knowingly.
 *
 * UPDATE_EXPECTED=1 writes the lists anew: reasons of cases that still fail are kept, new ones stand at the end and want a reason.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "../process/server_process.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const runner = join(root, "..", "shared", "conformance", "run.py");
const missing = existsSync(runner) ? undefined : `PEER MISSING: ${runner} is not beside the checkout; the conformance corpora are not run over HTTP`;
if (missing !== undefined) process.stderr.write(`${missing}\n`);
const isUpdate = process.env["UPDATE_EXPECTED"] === "1";

const serverCommand = `${join(root, "bin", "tidemark")} -httpListenAddr=127.0.0.1:{port} -storageDataPath={data} -retentionPeriod=100y -selfScrapeInterval=0`;
const runMsMax = 600_000;
/** Each run has a range of ports of its own, also against runs of other checkouts at the same time. */
const portsPerRun = 60;
const firstPort = 20_000 + (process.pid % 100) * portsPerRun * 5;
const noReason = "not looked at yet";

interface Corpus {
  readonly name: string;
  /** Name of the list of expected failures. */
  readonly list: string;
  /** Of the server. */
  readonly flags?: string;
  readonly parameters: readonly string[];
  /** Fewer cases than this were run only if something is broken. */
  readonly casesMin: number;
}

const corpora: readonly Corpus[] = [
  { name: "metricsql-exec", list: "metricsql-exec", parameters: [], casesMin: 360 },
  { name: "errors", list: "errors", parameters: [], casesMin: 130 },
  { name: "promql", list: "promql", parameters: ["--core"], casesMin: 500 },
  {
    name: "promql", list: "promql_http", flags: "-search.dialect=promql", casesMin: 1300,
    parameters: ["--promql-dialect-param", "dialect=promql", "--strict", "--check-annotations", "--time-base", "0"],
  },
  { name: "integration", list: "integration", parameters: ["--flags"], casesMin: 15 },
];

interface CaseResult {
  readonly id: string;
  readonly status: "pass" | "fail" | "skip";
  readonly message: string | null;
  readonly query: string | null;
}

for (const [index, corpus] of corpora.entries()) {
  test(`conformance over HTTP: ${corpus.list}`, { skip: missing ?? false, timeout: runMsMax + 10_000 }, async (context) => {
    const { cases, loadErrors } = await runCorpus(corpus, firstPort + index * portsPerRun);
    const run = cases.filter(({ status }) => status !== "skip");
    const failed = new Map(run.filter(({ status }) => status === "fail").map((result) => [result.id, result]));
    context.diagnostic(`${corpus.list}: ${run.length - failed.size} of ${run.length} pass`);
    assert.ok(run.length >= corpus.casesMin, `only ${run.length} cases were run`);
    assert.deepEqual(loadErrors, []);
    const path = join(root, "conformance", "expected_failures", `${corpus.list}.txt`);
    const expected = existsSync(path) ? parseExpected(readFileSync(path, "utf8")) : new Map<string, string>();
    if (isUpdate) return writeFileSync(path, printExpected(corpus.list, failed.keys(), expected));
    const unexpectedFailures = [...failed.values()].filter(({ id }) => !expected.has(id)).map(({ id, query, message }) => `${id}: ${query ?? ""}: ${message}`);
    assert.deepEqual(unexpectedFailures, [], "these failed and are not listed");
    const unexpectedPasses = [...expected.keys()].filter((id) => !failed.has(id));
    assert.deepEqual(unexpectedPasses, [], `these are listed in ${path} and did not fail`);
    assert.deepEqual([...expected].filter(([, reason]) => reason === noReason), [], "these are listed without a reason");
  });
}

async function runCorpus(corpus: Corpus, port: number): Promise<{ cases: CaseResult[]; loadErrors: string[] }> {
  using folder = temporaryFolder();
  const report = join(folder.path, "report.json");
  const runnerArguments = [
    runner, "--corpus", corpus.name, "--spawn", `${serverCommand} ${corpus.flags ?? ""}`, "--json", report, "--port", String(port), "--work-dir", folder.path, ...corpus.parameters,
  ];
  const child = spawn("python3", runnerArguments, { stdio: ["ignore", "ignore", "pipe"], timeout: runMsMax });
  let errors = "";
  child.stderr.on("data", (bytes: Buffer) => (errors += bytes.toString()));
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  assert.ok(signal === null && (code === 0 || code === 1) && existsSync(report), `run.py ended with ${signal ?? code}:\n${errors}`); // 1: some cases failed
  const { cases, load_errors: loadErrors } = JSON.parse(readFileSync(report, "utf8")) as { cases: CaseResult[]; load_errors: string[] };
  return { cases, loadErrors };
}

/** Case ids with the reason above them. */
function parseExpected(text: string): Map<string, string> {
  const expected = new Map<string, string>();
  let reason = noReason;
  for (const line of text.split("\n").map((raw) => raw.trim())) {
    if (line.startsWith("# ")) reason = line.slice(2);
    else if (line !== "") expected.set(line, reason);
  }
  return expected;
}

function printExpected(corpusName: string, failedIds: Iterable<string>, old: ReadonlyMap<string, string>): string {
  const groups = new Map<string, string[]>([...old.values()].map((reason) => [reason, []]));
  for (const id of failedIds) {
    const reason = old.get(id) ?? noReason;
    if (!groups.has(reason)) groups.set(reason, []);
    groups.get(reason)!.push(id);
  }
  const texts = [...groups].filter(([, ids]) => ids.length > 0).map(([reason, ids]) => `# ${reason}\n${ids.join("\n")}\n`);
  return texts.length > 0 ? texts.join("\n") : `# Nothing of ${corpusName} fails.\n`;
}
