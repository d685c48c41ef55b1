// Shows that damaged bytes into every decoder end in an answer or a TidemarkError, in little time and memory, and that every decoder of the
// sources has a target. docs/decisions/testing.md says how to run the targets for long.
import assert from "node:assert/strict";
import { test } from "node:test";
import { codeOf, sourceFiles, testPattern } from "../../tools/source_tree.ts";
import { testSeed } from "../seed.ts";
import { printFinding, runFuzz } from "./fuzz_session.ts";
import { fuzzTargets } from "./targets.ts";

const inputsOfTest = 200;
const cpuMsOfTest = 40;

/** Folders whose exports take bytes or texts from a disk or a network. */
const decoderFolders = /^src\/(kernel|model|metricsql|protocol|index|storage|pipeline|http|agent)\/[\w/]+\.ts$/;
const decoderFunction = /^export (?:async )?function\*? ((?:decode|parse|visit|receive|snappyDecode|expandLabel|readIndex|checkLogRecord|checkPartHeader|lockDirectory|openLocalStore|verify[A-Z])\w*)/gm;
const decoderClass = /^export (?:abstract )?class (\w*(?:Parser|Reader|Segment|File|Decoder|Interner|SegmentIndex)|Part)\b/gm;

/** What is named like a decoder of outside bytes, and why it needs no target of its own. */
const exempt: Readonly<Record<string, string>> = {
  decodeBlocksScratchBytes: "a size",
  parseError: "makes an error",
  visitExpr: "walks a tree",
  ConfigReader: "reads values that parseYamlConfig has made",
  KernelSliceParser: "what RemoteWriteParser, PrometheusTextParser and JsonLinesParser share",
  LocalReader: "reads through Part and the head",
  ShardReader: "reads memory, not bytes from outside",
  ReadAheadFile: "bytes pass as they are",
  SectionFile: "writes",
};

test("damaged bytes end in an answer or a TidemarkError", async () => {
  const finding = await runFuzz({ targets: fuzzTargets.map(({ name }) => name), seed: testSeed(), firstInput: 0, inputsMax: inputsOfTest, cpuMsMax: cpuMsOfTest });
  assert.equal(finding === undefined ? "" : printFinding(finding), "");
});

test("every decoder has a target, or a reason why not", () => {
  const covered = new Set(fuzzTargets.flatMap(({ covers }) => covers));
  const decoders = sourceFiles()
    .filter(({ path }) => decoderFolders.test(path) && !testPattern.test(path) && !path.endsWith("_reference.ts"))
    .flatMap(({ path, text }) => [...codeOf(text).matchAll(decoderFunction), ...codeOf(text).matchAll(decoderClass)].map((match) => ({ path, name: match[1] })));
  assert.ok(decoders.length > 40);
  assert.deepEqual(decoders.filter(({ name }) => !covered.has(name) && exempt[name] === undefined), []);
});

test("names of targets differ", () => {
  assert.equal(new Set(fuzzTargets.map(({ name }) => name)).size, fuzzTargets.length);
});
