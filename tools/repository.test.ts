// Rules about the sources that no compiler checks: layers and cycles, dead files, dependencies, and that the documents name only what
// exists. Each rule collects its violations as readable lines and expects none.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { codeOf, entryPattern, filesUnder, importsOf, layerFolder, layers, lineAt, root, sourceFiles, testPattern } from "./source_tree.ts";
import type { SourceFile } from "./source_tree.ts";
import { commandsIn, flagsIn, pathsIn } from "./document.ts";

const files = sourceFiles();
const byPath = new Map(files.map((file) => [file.path, file]));
const imports = new Map(files.map((file) => [file.path, importsOf(file)]));
const production = files.filter((file) => !testPattern.test(file.path));
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Manifest;
const documents = [...filesUnder("docs", /\.md$/), ...["README.md", "ARCHITECTURE.md"].map(readDocument)];

interface Manifest {
  readonly scripts: Record<string, string>;
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
  readonly optionalDependencies: Record<string, string>;
}

function readDocument(path: string): SourceFile {
  return { path, text: readFileSync(join(root, path), "utf8") };
}

function expectNone(violations: readonly string[]): void {
  assert.deepEqual(violations, []);
}

/** Violations of `rule` over the imported files of all production files. */
function importViolations(rule: (from: string, to: string) => string | undefined): string[] {
  return production.flatMap(({ path }) =>
    imports.get(path)!.files.flatMap((target) => {
      const message = rule(path, target);
      return message === undefined ? [] : [`${path} imports ${target}: ${message}`];
    }),
  );
}

test("imports: files exist and carry their extension", () => {
  const violations: string[] = [];
  for (const [path, { files: targets }] of imports) {
    for (const target of targets) if (!existsSync(join(root, target)) && !target.startsWith("build/")) violations.push(`${path} imports ${target}, which does not exist`);
  }
  expectNone(violations);
});

test("imports: every folder of src has a layer", () => {
  expectNone(production.filter(({ path }) => path.startsWith("src/") && layers[layerFolder(path) ?? ""] === undefined).map(({ path }) => path));
});

test("imports: lower layers only", () => {
  const violations = importViolations((from, to) => {
    const [source, target] = [layerFolder(from), layerFolder(to)];
    if (source === undefined || target === undefined || source === target) return undefined;
    return layers[target] < layers[source] ? undefined : `${target} (${layers[target]}) is not below ${source} (${layers[source]})`;
  });
  expectNone(violations);
});

test("imports: client, web, src and the tests keep apart", () => {
  const violations = importViolations((from, to) => {
    if (testPattern.test(to) && !/^(tools|bench)\//.test(from)) return "only tests import tests and testkit/";
    if (from.startsWith("src/") && !to.startsWith("src/") && to !== "package.json") return "src/ imports src/ only";
    if (from.startsWith("client/") && !to.startsWith("client/")) return "client/ stands alone";
    if (from.startsWith("web/") && !/^(web|client)\//.test(to)) return "web/ uses client/ only";
    if (to.startsWith("src/wasm/") !== from.startsWith("src/wasm/")) return "AssemblyScript and TypeScript do not import each other";
    return undefined;
  });
  expectNone(violations);
});

test("imports: no cycles", () => {
  const cycles: string[] = [];
  const finished = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const begin = trail.indexOf(path);
    if (begin >= 0) cycles.push([...trail.slice(begin), path].join(" -> "));
    if (begin >= 0 || finished.has(path)) return;
    for (const target of imports.get(path)?.files ?? []) visit(target, [...trail, path]);
    finished.add(path);
  };
  for (const { path } of files) visit(path, []);
  expectNone(cycles);
});

/** Byte layouts that are fixed before the code that needs them, because changing them later would break formats. */
const layoutsAhead = ["src/protocol/row_batch_frame.ts"];

test("files: none is dead", () => {
  const used = new Set<string>();
  for (const [path, { files: targets }] of imports) {
    // Being used by its own test only does not keep a file alive; the plain twins of kernels are meant for tests.
    for (const target of targets) if (path !== target.replace(/\.tsx?$/, ".test.ts") || target.endsWith("_reference.ts")) used.add(target);
  }
  const candidates = files.filter(({ path }) => !entryPattern.test(path) && !path.endsWith(".mjs") && !layoutsAhead.includes(path));
  expectNone(candidates.filter(({ path }) => !used.has(path)).map(({ path }) => `${path} is imported by nothing but its own test`));
});

test("dependencies: pinned, used where allowed, and explained", () => {
  const decisions = readDocument("docs/decisions/dependencies.md").text;
  const violations: string[] = [];
  for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies })) {
    if (!/^\d+\.\d+\.\d+$/.test(version)) violations.push(`package.json: ${name} ${version} is not an exact version`);
    if (!decisions.includes(`| ${name} | ${version} |`)) violations.push(`docs/decisions/dependencies.md has no row "| ${name} | ${version} |"`);
  }
  for (const { path } of production.filter((file) => file.path.startsWith("src/"))) {
    for (const name of imports.get(path)!.packages) {
      if (name.startsWith("node:")) continue;
      if (manifest.dependencies[name] === undefined) violations.push(`${path} imports ${name}, which is no runtime dependency`);
      else if (layers[layerFolder(path)!] <= 4 && name !== "re2js") violations.push(`${path} imports ${name}: layers 0-4 have no dependency but re2js`);
    }
  }
  for (const { path } of production.filter((file) => file.path.startsWith("client/"))) {
    violations.push(...imports.get(path)!.packages.map((name) => `${path} imports ${name}: client/ runs in browsers and has no dependency`));
  }
  expectNone(violations);
});

interface TextRule {
  readonly name: string;
  readonly pattern: RegExp;
  /** Which files are looked at. */
  readonly where: (path: string) => boolean;
  /** Look at comments too. */
  readonly withComments?: boolean;
}

const inSrc = (path: string): boolean => path.startsWith("src/") && !testPattern.test(path);

const textRules: readonly TextRule[] = [
  { name: "no TO\u0044O or FIX\u004dE", pattern: /\b(TO[D]O|FIX[M]E|XX[X])\b/, where: () => true, withComments: true },
  { name: "no test is left out or alone", pattern: /\b(test|it|describe|suite)\.(only|skip|todo)\(/, where: () => true },
  { name: "no any", pattern: /(:\s*|\bas\s+|<|\|\s*)any\b(?!\s*\()/, where: (path) => !path.startsWith("src/wasm/") && !path.endsWith(".mjs") },
  { name: "no console", pattern: /\bconsole\.\w+\(/, where: () => true },
  { name: "environment, arguments and exit only in src/role", pattern: /\bprocess\.(env|argv|exit|exitCode)\b/, where: (path) => inSrc(path) && !path.startsWith("src/role/") },
  { name: "clock and randomness are passed in", pattern: /\b(Date\.now|Math\.random|performance\.now)\(/, where: (path) => inSrc(path) && !/^src\/(base|role)\//.test(path) },
  { name: "erasable TypeScript", pattern: /^\s*(export\s+)?(declare\s+)?(const\s+)?(enum|namespace)\s+\w/m, where: (path) => !path.startsWith("src/wasm/") },
];

for (const rule of textRules) {
  test(`text: ${rule.name}`, () => {
    const violations: string[] = [];
    for (const { path, text } of files.filter((file) => rule.where(file.path))) {
      const searched = rule.withComments === true ? text : codeOf(text, false);
      const match = rule.pattern.exec(searched);
      if (match !== null) violations.push(`${path}:${lineAt(searched, match.index)}: ${match[0].trim()}`);
    }
    expectNone(violations);
  });
}

test("text: committed files name no machine and no registry", (context) => {
  if (!existsSync(join(root, ".git"))) return context.skip("not a git checkout");
  const pattern = /(?<![\w.-])\/(work|root|home\/\w+|Users\/\w+)\/|registry\.npm[j]s|artifac[t]ory|deb\.debia[n]\.org|goprox[y]/i;
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root, encoding: "utf8" });
  const violations: string[] = [];
  for (const path of listed.split("\0").filter((item) => item !== "" && existsSync(join(root, item)))) {
    if (statSync(join(root, path)).size > 8_000_000) violations.push(`${path} is larger than 8 MB`);
    const text = readFileSync(join(root, path), "latin1");
    const match = pattern.exec(text);
    if (match !== null) violations.push(`${path}:${lineAt(text, match.index)}: ${match[0]}`);
  }
  expectNone(violations);
});

test("documents: npm scripts exist", () => {
  const violations: string[] = [];
  for (const { path, text } of documents) {
    for (const name of commandsIn(text)) if (manifest.scripts[name] === undefined) violations.push(`${path} names npm script "${name}"`);
  }
  expectNone(violations);
});

test("documents: flags exist", (context) => {
  const known = knownFlags();
  if (known.size === 0) return context.skip("no flag is declared yet");
  const violations: string[] = [];
  for (const { path, text } of documents) {
    for (const flag of flagsIn(text)) if (!known.has(flag)) violations.push(`${path} names flag -${flag}`);
  }
  expectNone(violations);
});

/** Names of flags: the keys and strings that src/role/flag*.ts declare. */
function knownFlags(): Set<string> {
  const declared = files.filter(({ path }) => /^src\/role\/flag\w*\.ts$/.test(path) && !testPattern.test(path));
  const names = declared.flatMap(({ text }) => [...codeOf(text).matchAll(/["']([A-Za-z][\w.]*)["']|^\s+([A-Za-z]\w*):\s*\{/gm)]);
  return new Set(names.map((match) => match[1] ?? match[2]));
}

test("documents: HTTP paths of the examples are served", (context) => {
  const serving = files.filter(({ path }) => /^src\/(http|role)\//.test(path) && !testPattern.test(path));
  if (!serving.some(({ path }) => path.startsWith("src/http/"))) return context.skip("no HTTP layer yet");
  const code = serving.map(({ text }) => codeOf(text)).join("\n");
  const violations: string[] = [];
  for (const { path, text } of documents) {
    for (const served of pathsIn(text)) if (served !== "/" && !code.includes(served)) violations.push(`${path} asks for ${served}`);
  }
  expectNone(violations);
});

test("documents: links to files and named files exist", () => {
  const violations: string[] = [];
  for (const { path, text } of documents) {
    const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/") + 1) : "";
    for (const match of text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)) {
      if (!existsSync(join(root, folder + match[1]))) violations.push(`${path} links to ${match[1]}`);
    }
    for (const match of text.matchAll(/`((?:src|client|web|testkit|tools|bench|docs|conformance|bin)\/[\w./-]*\w\.\w+)`/g)) {
      if (!byPath.has(match[1]) && !existsSync(join(root, match[1]))) violations.push(`${path} names ${match[1]}`);
    }
  }
  expectNone(violations);
});

test("documents: the layer table of ARCHITECTURE.md is the one that is checked", () => {
  const rows = [...readDocument("ARCHITECTURE.md").text.matchAll(/^\| `src\/(\w+)\/` \| (\d) \|/gm)];
  assert.deepEqual(Object.fromEntries(rows.map((row) => [row[1], Number(row[2])])), layers);
});
