/** Command lines given to the launcher, from another working directory and with an empty path. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runProgram, temporaryFolder } from "./server_process.ts";

const rows: { name: string; line: string[]; code: number; output?: RegExp; errors?: RegExp }[] = [
  { name: "help", line: ["-h"], code: 0, output: /^Usage: tidemark[^]*\n {2}-httpListenAddr=\S+ .*\(default :8428\)\n/ },
  { name: "help of a role", line: ["single", "--help"], code: 0, output: /-storageDataPath/ },
  { name: "version", line: ["--version"], code: 0, output: /^tidemark \d+\.\d+\.\d+\n$/ },
  { name: "an unknown flag with a near name", line: ["-retentionPeroid=1y"], code: 2, errors: /unknown flag -retentionPeroid; did you mean -retentionPeriod\?/ },
  { name: "an unknown flag with two dashes and a value apart", line: ["--storage.fsyncIntervall", "1s"], code: 2, errors: /unknown flag -+storage\.fsyncIntervall; did you mean -storage\.fsyncInterval\?/ },
  { name: "an unknown flag like no other", line: ["-zzzzzzzzzzzzzzzzzzzz"], code: 2, errors: /unknown flag -zzzzzzzzzzzzzzzzzzzz/ },
  { name: "a bad duration", line: ["-selfScrapeInterval=often"], code: 2, errors: /bad value "often" of flag -selfScrapeInterval; allowed: / },
  { name: "a bad retention", line: ["-retentionPeriod=-1d"], code: 2, errors: /bad value "-1d" of flag -retentionPeriod; allowed: / },
  { name: "a bad address", line: ["-httpListenAddr=127.0.0.1:99999"], code: 2, errors: /bad value "127\.0\.0\.1:99999" of flag -httpListenAddr/ },
  { name: "a bad per cent", line: ["-memory.allowedPercent=200"], code: 2, errors: /bad value "200" of flag -memory\.allowedPercent/ },
  { name: "a bad word", line: ["-loggerFormat=xml"], code: 2, errors: /bad value "xml" of flag -loggerFormat; allowed: .*json/ },
  { name: "a flag without its value", line: ["-storageDataPath"], code: 2, errors: /-storageDataPath/ },
  { name: "an unknown role", line: ["vmstorage"], code: 2, errors: /unknown role "vmstorage"; did you mean storage\?/ },
  { name: "a role of later", line: ["agent"], code: 2, errors: /role agent is not yet available; available: single/ },
  { name: "a directory that cannot be made", line: ["-storageDataPath=/proc/nowhere", "-httpListenAddr=127.0.0.1:0"], code: 1, errors: /\/proc\/nowhere/ },
  { name: "an address that is not ours", line: ["-httpListenAddr=192.0.2.1:8428"], code: 1, errors: /192\.0\.2\.1|EADDRNOTAVAIL/ },
];

for (const row of rows) {
  test(`command line: ${row.name}`, async () => {
    using folder = temporaryFolder();
    const outcome = await runProgram(row.line, { cwd: folder.path, env: { PATH: "" } });
    assert.equal(outcome.code, row.code, outcome.errors);
    assert.match(outcome.output, row.output ?? /^$/);
    assert.match(outcome.errors, row.errors ?? /^$/);
    assert.doesNotMatch(outcome.errors, /\n {4}at /, "a message, not a stack");
  });
}
