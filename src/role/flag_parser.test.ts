/** Command lines are read as VictoriaMetrics users write them; everything wrong is said with flag, value and what is allowed. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FlagError, parseCommandLine, printFlagHelp } from "./flag_parser.ts";
import { type FlagName, flags } from "./flags.ts";

const dayMs = 86_400_000;

const accepted: { line: string[]; name: FlagName; value: unknown }[] = [
  { line: [], name: "httpListenAddr", value: { host: undefined, port: 8428 } },
  { line: ["-httpListenAddr=127.0.0.1:0"], name: "httpListenAddr", value: { host: "127.0.0.1", port: 0 } },
  { line: ["--httpListenAddr", "[::1]:9"], name: "httpListenAddr", value: { host: "::1", port: 9 } },
  { line: ["-httpListenAddr=localhost:9"], name: "httpListenAddr", value: { host: "localhost", port: 9 } },
  { line: [], name: "retentionPeriod", value: 31 * dayMs },
  { line: ["-retentionPeriod=12"], name: "retentionPeriod", value: 12 * 31 * dayMs },
  { line: ["-retentionPeriod", "30d"], name: "retentionPeriod", value: 30 * dayMs },
  { line: ["-retentionPeriod=24h"], name: "retentionPeriod", value: dayMs },
  { line: ["-retentionPeriod=2w"], name: "retentionPeriod", value: 14 * dayMs },
  { line: ["-retentionPeriod=1.5y"], name: "retentionPeriod", value: 1.5 * 365 * dayMs },
  { line: ["-retentionPeriod=100y"], name: "retentionPeriod", value: 36500 * dayMs },
  { line: ["-selfScrapeInterval=0"], name: "selfScrapeInterval", value: 0 },
  { line: ["-selfScrapeInterval=1m30s"], name: "selfScrapeInterval", value: 90_000 },
  { line: ["-storage.fsyncInterval=500ms"], name: "storage.fsyncInterval", value: 500 },
  { line: ["-maxInsertRequestSize=1MB"], name: "maxInsertRequestSize", value: 1_000_000 },
  { line: [], name: "maxInsertRequestSize", value: 33_554_432 },
  { line: ["-memory.allowedPercent=12.5"], name: "memory.allowedPercent", value: 12.5 },
  { line: ["-search.maxSamplesPerQuery=1e9"], name: "search.maxSamplesPerQuery", value: 1e9 },
  { line: ["-loggerLevel=WARN"], name: "loggerLevel", value: "WARN" },
  { line: ["-storageDataPath=a=b"], name: "storageDataPath", value: "a=b" },
  { line: ["-storageDataPath=x", "--storageDataPath", "y"], name: "storageDataPath", value: "y" },
  { line: ["-http.disableCORS", "-loggerLevel=WARN"], name: "http.disableCORS", value: true },
  { line: ["-http.disableCORS=false"], name: "http.disableCORS", value: false },
  { line: ["-promscrape.config="], name: "promscrape.config", value: "" },
];

for (const row of accepted) {
  test(`flags: ${row.line.join(" ") || "default"} gives ${row.name}`, () => assert.deepEqual(parseCommandLine(row.line).values[row.name], row.value));
}

const refused: { line: string[]; message: RegExp }[] = [
  { line: ["-httpListenAdr=:1"], message: /^unknown flag -httpListenAdr; did you mean -httpListenAddr\?/ },
  { line: ["--storage.datapath=x"], message: /^unknown flag -storage.datapath; did you mean -storageDataPath\?/ },
  { line: ["-dedup.minScrapeIntervall=1ms"], message: /did you mean -dedup.minScrapeInterval\?/ },
  { line: ["-zzzzzzzzzzzz"], message: /^unknown flag -zzzzzzzzzzzz \(all flags: -help\)$/ },
  { line: ["-httpListenAddr=8428"], message: /^bad value "8428" of flag -httpListenAddr; allowed: host:port or :port/ },
  { line: ["-httpListenAddr=:99999"], message: /^bad value ":99999"/ },
  { line: ["-retentionPeriod=12h"], message: /^bad value "12h" of flag -retentionPeriod; allowed: .*at least 1d$/ },
  { line: ["-retentionPeriod=5m"], message: /of flag -retentionPeriod/ },
  { line: ["-selfScrapeInterval=15"], message: /^bad value "15" of flag -selfScrapeInterval; allowed: 0 or a duration with unit/ },
  { line: ["-selfScrapeInterval=-15s"], message: /of flag -selfScrapeInterval/ },
  { line: ["-search.maxQueryDuration=0"], message: /^bad value "0" of flag -search.maxQueryDuration; allowed: a duration with unit/ },
  { line: ["-selfScrapeInterval=30d"], message: /at most 24d$/ },
  { line: ["-search.latencyOffset=5i"], message: /of flag -search.latencyOffset/ },
  { line: ["-maxInsertRequestSize=5TB"], message: /allowed: a size between 1KiB and 512MiB/ },
  { line: ["-memory.allowedPercent=0"], message: /allowed: a number above 0, at most 100/ },
  { line: ["-loggerFormat=xml"], message: /^bad value "xml" of flag -loggerFormat; allowed: default, json$/ },
  { line: ["-http.disableCORS=maybe"], message: /allowed: true or false/ },
  { line: ["-storageDataPath"], message: /^flag -storageDataPath needs a value/ },
  { line: ["single"], message: /^unexpected argument "single"/ },
  { line: ["-"], message: /^unexpected argument "-"/ },
  { line: ["---x=1"], message: /^unexpected argument "---x=1"/ },
  { line: ["-httpAuth.password=secret"], message: /^flag -httpAuth.password is not available yet, and without it the server would be less protected/ },
  { line: ["-tls"], message: /^flag -tls is not available yet/ },
];

for (const row of refused) {
  test(`flags: ${row.line.join(" ")} is refused`, () => assert.throws(() => parseCommandLine(row.line), (error) => error instanceof FlagError && row.message.test(error.message)));
}

test("flags: those of VictoriaMetrics without meaning here give one warning each", () => {
  const line = ["-fs.disableMmap", "-smallMergeConcurrency", "4", "-dedup.minScrapeInterval=1ms", "-tls=false", "-loggerLevel=WARN"];
  const { warnings, values } = parseCommandLine(line);
  assert.deepEqual(warnings, [
    "flag -fs.disableMmap has no meaning in Tidemark and is ignored",
    "flag -smallMergeConcurrency has no meaning in Tidemark and is ignored",
    "flag -dedup.minScrapeInterval is not available yet and is ignored",
  ]);
  assert.equal(values.loggerLevel, "WARN");
});

test("flags: help names every flag with its default", () => {
  const help = printFlagHelp();
  for (const [name, declaration] of Object.entries(flags)) {
    assert.match(help, new RegExp(`^  -${name.replaceAll(".", "\\.")}(=<\\S+>)? `, "m"));
    assert.ok(help.includes(declaration.help));
  }
  assert.equal(parseCommandLine(["-h"]).help, true);
  assert.equal(parseCommandLine(["--help"]).help, true);
});

test("flags: docs/flags.md has a row for each", () => {
  const page = readFileSync(new URL("../../docs/flags.md", import.meta.url), "utf8");
  for (const [name, declaration] of Object.entries(flags)) {
    const defaultText = declaration.default === "" ? "" : `\`${declaration.default}\``;
    assert.ok(page.includes(`| \`-${name}\` | ${defaultText} | ${declaration.help.replaceAll("...", "…")} |`), name);
  }
});

test("flags: declared in alphabetical order", () => {
  const names = Object.keys(flags);
  assert.deepEqual(names, names.toSorted((left, right) => (left.toLowerCase() < right.toLowerCase() ? -1 : 1)));
});
