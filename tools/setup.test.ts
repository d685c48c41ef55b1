// When `npm start` and `npm test` install: exactly when node_modules is not what package-lock.json says.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

interface Setup {
  whyInstall(folder: string): string | undefined;
}

// Plain JavaScript for Node.js 20, hence without types.
const { whyInstall } = (await import(new URL("./setup.mjs", import.meta.url).href)) as Setup;

const temporary = mkdtempSync(join(tmpdir(), "tidemark-setup-"));
after(() => rmSync(temporary, { recursive: true, force: true }));

type Packages = Record<string, { version: string; integrity?: string; optional?: boolean }>;

const yaml = { version: "1.0.0", integrity: "sha512-a" };
const wanted: Packages = { "": { version: "1.0.0" }, "node_modules/yaml": yaml, "node_modules/node-other-platform": { version: "26.0.0", optional: true } };

const rows: { name: string; installed?: Packages | string; folders?: string[]; reason: RegExp | undefined }[] = [
  { name: "nothing there", reason: /^nothing is installed yet$/ },
  { name: "interrupted, without the stamp", folders: ["yaml"], reason: /^nothing is installed yet$/ },
  { name: "the stamp is torn", installed: '{"packages":', folders: ["yaml"], reason: /^nothing is installed yet$/ },
  { name: "all there but another platform's", installed: { "node_modules/yaml": yaml }, folders: ["yaml"], reason: undefined },
  { name: "a package is missing", installed: {}, reason: /^yaml is missing$/ },
  { name: "a folder was deleted", installed: { "node_modules/yaml": yaml }, reason: /^yaml is missing$/ },
  { name: "an older version", installed: { "node_modules/yaml": { ...yaml, version: "0.9.0" } }, folders: ["yaml"], reason: /^yaml 1\.0\.0 is wanted, 0\.9\.0 is there$/ },
  { name: "other content", installed: { "node_modules/yaml": { ...yaml, integrity: "sha512-b" } }, folders: ["yaml"], reason: /^yaml 1\.0\.0 is wanted/ },
  {
    name: "an older optional package",
    installed: { "node_modules/yaml": yaml, "node_modules/node-other-platform": { version: "25.0.0", optional: true } },
    folders: ["yaml", "node-other-platform"],
    reason: /^node-other-platform 26\.0\.0 is wanted/,
  },
];

for (const row of rows) {
  test(`set-up: ${row.name}`, () => {
    const folder = mkdtempSync(join(temporary, "checkout-"));
    mkdirSync(join(folder, "node_modules"));
    writeFileSync(join(folder, "package-lock.json"), JSON.stringify({ packages: wanted }));
    for (const name of row.folders ?? []) mkdirSync(join(folder, "node_modules", name));
    if (row.installed !== undefined) {
      const text = typeof row.installed === "string" ? row.installed : JSON.stringify({ packages: row.installed });
      writeFileSync(join(folder, "node_modules", ".package-lock.json"), text);
    }
    const reason = whyInstall(folder);
    if (row.reason === undefined) assert.equal(reason, undefined);
    else assert.match(String(reason), row.reason);
  });
}

test("set-up: without a lock file it is no checkout", () => {
  assert.throws(() => whyInstall(mkdtempSync(join(temporary, "empty-"))), /not a whole checkout/);
});
