// The tools as a process: command lines, exit codes, the report of `ctl verify` as text and JSON, and that a directory in use is refused.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { systemProcesses } from "../storage/directory_lock.ts";
import type { DirectoryReport } from "../storage/verify_report.ts";
import { parseToolArguments } from "./ctl_arguments.ts";
import { verifyFlags } from "./flags_ctl.ts";

const entry = fileURLToPath(new URL("./main.ts", import.meta.url));
const golden = fileURLToPath(new URL("../../conformance/data_directory_v1/data", import.meta.url));
let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "tidemark-ctl-"));
  for (const name of ["sound", "damaged", "locked"]) cpSync(golden, join(folder, name), { recursive: true });
  const part = join(folder, "damaged/partitions/2023_10/parts/9/blocks.tdp");
  const bytes = readFileSync(part);
  bytes[100] ^= 1;
  writeFileSync(part, bytes);
  const lock = { pid: process.pid, processStart: systemProcesses.startOf(process.pid), sinceMs: 0, token: "test" };
  writeFileSync(join(folder, "locked/lock"), JSON.stringify(lock));
});
after(() => rmSync(folder, { recursive: true }));

function run(...commandArguments: string[]): { code: number | null; output: string; errors: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", entry, ...commandArguments], { cwd: folder, encoding: "utf8" });
  return { code: status, output: stdout, errors: stderr };
}

const commandLines: { line: string[]; code: number; output?: RegExp; errors?: RegExp }[] = [
  { line: ["ctl", "--help"], code: 0, output: /^Usage: tidemark ctl <tool>[^]*verify \[flags\] <directory>/ },
  { line: ["ctl", "verfy", "sound"], code: 2, errors: /^tidemark: unknown tool "verfy"; did you mean verify\?/ },
  { line: ["ctl", "verify", "--help"], code: 0, output: /-format=<text\|json>[^]*Exit code: 0 sound, 1 damaged, 2 / },
  { line: ["ctl", "verify", "-fromat=json", "sound"], code: 2, errors: /^tidemark: unknown flag -fromat; did you mean -format\?/ },
  { line: ["ctl", "verify", "sound/"], code: 0, output: /^ok +manifest [^]*\nsound: formats log 1, part 1, index 1; 1 shard\n[^]* MB\/s, .* samples\/s\nsound: every byte was read/ },
  {
    line: ["ctl", "verify", "damaged"],
    code: 1,
    output: /\nDAMAGED +partitions\/2023_10\/parts\/9 .*\n +blocks\.tdp: .* checksum of their frame is wrong \(bytes \d+ to \d+\)\n +lost: [\d,]+ samples of series \d+ \{__name__=".*\} to .*, 2023-10-[^]*DAMAGED: 1 file\n/,
  },
  { line: ["ctl", "verify", "locked"], code: 2, errors: new RegExp(`^tidemark: data directory locked is in use by process ${process.pid} since 1970-`) },
];
for (const row of commandLines) {
  test(`tidemark ${row.line.join(" ")}`, () => {
    const outcome = run(...row.line);
    assert.match(outcome.output, row.output ?? /^$/);
    assert.match(outcome.errors, row.errors ?? /^$/);
    assert.equal(outcome.code, row.code);
  });
}

test("tidemark ctl verify: the report for machines", () => {
  const { code, output, errors } = run("ctl", "verify", "--format", "json", "damaged");
  assert.deepEqual([code, errors], [1, ""]);
  const report = JSON.parse(output) as DirectoryReport;
  assert.equal(report.isSound, false);
  assert.deepEqual(report.files.filter(({ status }) => status !== "ok").map(({ path, kind }) => [path, kind]), [["partitions/2023_10/parts/9", "part"]]);
  assert.equal(report.totals.damagedFiles, 1);
});

test("command lines of tools: flags, operands, help", () => {
  const { values, operands, help } = parseToolArguments(verifyFlags, ["a", "--format", "json", "-quiet", "--", "-b"]);
  assert.deepEqual([values, operands, help], [{ format: "json", quiet: true }, ["a", "-b"], false]);
  assert.equal(parseToolArguments(verifyFlags, ["-h"]).help, true);
  for (const [line, message] of [[["-format=xml"], /bad value "xml" of flag -format; allowed: text, json/], [["-format"], /flag -format needs a value/]] as const) {
    assert.throws(() => parseToolArguments(verifyFlags, line), { message });
  }
});
