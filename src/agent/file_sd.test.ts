// Paths with wildcards, and files on the machine's disk that are noticed when they change; the rest is in scrape_manager.test.ts.
import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../base/clock.ts";
import { silentLogger } from "../base/logger.ts";
import { MemoryFileSystem } from "../disk/memory_file_system.ts";
import { RealFileSystem } from "../disk/real_file_system.ts";
import { expandPattern, fixedFolder } from "./file_glob.ts";
import { FileDiscoverer } from "./file_sd.ts";
import { watchFolder } from "./watch_folder.ts";

const globRows: { pattern: string; found: string[]; folder: string }[] = [
  { pattern: "/d/a.yml", found: ["/d/a.yml"], folder: "/d" },
  { pattern: "/d/none.yml", found: [], folder: "/d" },
  { pattern: "/none/*.yml", found: [], folder: "/none" },
  { pattern: "/d/*.yml", found: ["/d/a.yml", "/d/a1.yml", "/d/b.yml"], folder: "/d" },
  { pattern: "/d/?.yml", found: ["/d/a.yml", "/d/b.yml"], folder: "/d" },
  { pattern: "/d/[!a]*.yml", found: ["/d/b.yml"], folder: "/d" },
  { pattern: "/d/a[0-9].yml", found: ["/d/a1.yml"], folder: "/d" },
  { pattern: "/*/a.y?l", found: ["/d/a.yml", "/e/a.yml"], folder: "/" },
  { pattern: "/d/a+.yml", found: [], folder: "/d" },
  { pattern: "/d/a.yml/*.yml", found: [], folder: "/d/a.yml" },
];

test("wildcards", () => {
  const files = new MemoryFileSystem();
  for (const path of ["/d/a.yml", "/d/a1.yml", "/d/b.yml", "/e/a.yml", "/d/c.json"]) {
    files.makeDirectory(path.slice(0, 2));
    files.open(path, "create").close();
  }
  for (const row of globRows) {
    assert.deepEqual(expandPattern(files, row.pattern), row.found, row.pattern);
    assert.equal(fixedFolder(row.pattern), row.folder);
  }
});

test("a changed file is noticed long before the refresh interval", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tidemark-sd-"));
  const path = join(folder, "t.json");
  writeFileSync(path, '[{"targets": ["a:1"]}]');
  let onChange = (): void => undefined;
  let timer: NodeJS.Timeout | undefined;
  const discoverer = new FileDiscoverer({ patterns: [join(folder, "*.json")], refreshMs: 3_600_000 }, {
    files: new RealFileSystem(), clock: systemClock, watchFolder, logger: silentLogger, onChange: () => onChange(),
  });
  try {
    assert.deepEqual(discoverer.groups(), [{ targets: ["a:1"], labels: new Map([["__meta_filepath", path]]) }]);
    const changed = new Promise<void>((resolve, reject) => {
      onChange = resolve;
      timer = setTimeout(() => reject(new Error("not noticed")), 5_000);
    });
    writeFileSync(`${path}.new`, '[{"targets": ["b:1"]}]');
    renameSync(`${path}.new`, path);
    await changed;
    assert.deepEqual(discoverer.groups().map(({ targets }) => targets), [["b:1"]]);
  } finally {
    clearTimeout(timer);
    discoverer[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  }
});
