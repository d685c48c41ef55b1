// bin/tidemark finds its checkout and its Node.js whatever the caller's folder, path and links, replaces itself with Node.js, and says
// what is missing. Shown on a checkout of its own with a stand-in for the program.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { root } from "./source_tree.ts";

const temporary = realpathSync(mkdtempSync(join(tmpdir(), "tidemark launcher-")));
after(() => rmSync(temporary, { recursive: true, force: true }));

const standIn = `process.stdout.write(JSON.stringify({ parameters: process.argv.slice(2), folder: process.cwd(), pid: process.pid }));
process.exitCode = Number(process.env.EXIT_CODE ?? 0);
`;

/** A checkout with everything but what `without` names; returns the path of its launcher. */
function makeCheckout(name: string, without: readonly string[] = []): string {
  const folder = join(temporary, name);
  for (const path of ["bin", "build", "src/role"]) mkdirSync(join(folder, path), { recursive: true });
  copyFileSync(join(root, "bin", "tidemark"), join(folder, "bin", "tidemark"));
  writeFileSync(join(folder, "src", "role", "main.ts"), standIn);
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  if (!without.includes("wasm")) writeFileSync(join(folder, "build", "tidemark.wasm"), "");
  if (!without.includes("modules")) mkdirSync(join(folder, "node_modules"));
  if (!without.includes("modules") && !without.includes("runtime")) {
    const runtime = join(folder, "node_modules", `node-${process.platform}-${process.arch}`, "bin");
    mkdirSync(runtime, { recursive: true });
    symlinkSync(process.execPath, join(runtime, "node"));
  }
  return join(folder, "bin", "tidemark");
}

const whole = makeCheckout("whole checkout");
const linkFolder = join(temporary, "links");
mkdirSync(linkFolder);
symlinkSync(whole, join(linkFolder, "absolute"));
symlinkSync("absolute", join(linkFolder, "chain"));
symlinkSync(join("..", "whole checkout", "bin"), join(linkFolder, "folder"));

const rows = [
  { name: "by absolute path", command: whole, folder: "/" },
  { name: "by relative path", command: "bin/tidemark", folder: join(temporary, "whole checkout") },
  { name: "from its own folder", command: "./tidemark", folder: join(temporary, "whole checkout", "bin") },
  { name: "through a link", command: join(linkFolder, "absolute"), folder: temporary },
  { name: "through a chain of links", command: "./chain", folder: linkFolder },
  { name: "through a linked folder", command: join(linkFolder, "folder", "tidemark"), folder: temporary },
];

for (const row of rows) {
  test(`launcher: ${row.name}, without a path`, () => {
    const parameters = ["-a=b", "two words", "", "*"];
    const result = spawnSync(row.command, parameters, { cwd: row.folder, env: { EXIT_CODE: "7" }, encoding: "utf8" });
    assert.equal(result.stderr, "");
    const { parameters: received, folder } = JSON.parse(result.stdout) as { parameters: string[]; folder: string };
    assert.deepEqual(received, parameters);
    assert.equal(folder, row.folder);
    assert.equal(result.status, 7);
  });
}

test("launcher: is found through the path", () => {
  const result = spawnSync("chain", [], { cwd: "/", env: { PATH: `${linkFolder}:/usr/bin:/bin` }, encoding: "utf8" });
  assert.equal(result.status, 0, result.stderr);
});

test("launcher: becomes the process of Node.js", async () => {
  const child = spawn(whole, [], { env: {} });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  await new Promise((resolve) => child.once("close", resolve));
  assert.equal((JSON.parse(text) as { pid: number }).pid, child.pid);
});

const brokenRows = [
  { name: "not installed", without: ["modules"], message: /^tidemark: not installed: run "npm start" in / },
  { name: "no Node.js", without: ["runtime"], message: /^tidemark: no Node\.js: / },
  { name: "not built", without: ["wasm"], message: /^tidemark: not built: run "npm run build" in / },
];

for (const row of brokenRows) {
  test(`launcher: ${row.name}`, () => {
    const result = spawnSync(makeCheckout(row.name, row.without), [], { env: { PATH: temporary }, encoding: "utf8" });
    assert.equal(result.status, 1);
    assert.match(result.stderr, row.message);
    assert.equal(result.stderr.trimEnd().split("\n").length, 1);
  });
}

test("launcher: takes the system's Node.js when there is no other and it is new enough", () => {
  const launcher = makeCheckout("system runtime", ["runtime"]);
  const folder = join(temporary, "system");
  mkdirSync(folder);
  symlinkSync(process.execPath, join(folder, "node"));
  const result = spawnSync(launcher, [], { env: { PATH: folder }, encoding: "utf8" });
  assert.equal(result.status, 0, result.stderr);
});
