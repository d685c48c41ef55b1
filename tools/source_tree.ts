/**
 * The sources of the project as the repository tests see them: files, their layer, and what they import. Imports are found by
 * pattern rather than by a parser (TypeScript 7 offers no compiler API), which the uniform style of the sources makes safe:
 * every static import starts its line.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of package.json. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** A file of the project; `path` is relative to the root and uses "/". */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/**
 * The layer of each folder of src/. A file imports from lower numbers only; folders with the same number do not import each
 * other. ARCHITECTURE.md shows the same table with what each folder is for.
 */
export const layers: Readonly<Record<string, number>> = {
  base: 0, wasm: 0,
  kernel: 1, model: 1, disk: 1,
  metricsql: 2, protocol: 2,
  index: 3, query: 3,
  promql: 4,
  storage: 4, pipeline: 4,
  rpc: 5, worker: 5, stores: 5, http: 5, agent: 5, alert: 5,
  library: 6, role: 6,
};

/** Files that a process, a browser or a test runner starts with; everything else has to be imported by someone. */
export const entryPattern =
  /^(src\/role\/main\.ts|src\/worker\/entry\.ts|src\/library\/index\.ts|client\/index\.ts|web\/main\.tsx|bench\/(run|growth)\.ts|testkit\/fuzz\/run_fuzz\.ts|testkit\/(simulate_stores|process\/run_kill_rounds)\.ts|src\/wasm\/index\.ts)$|\.(test|bench|peer|browser|process|d)\.ts$/;

/** Files that only tests run: they may import everything and may be imported by nothing else. */
export const testPattern = /\.(test|bench|peer|browser|process)\.ts$|^testkit\//;

/** All files below `folder` whose name `pattern` matches, sorted by path. */
export function filesUnder(folder: string, pattern: RegExp): SourceFile[] {
  const files: SourceFile[] = [];
  if (!existsSync(join(root, folder))) return files;
  for (const item of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
    if (!item.isFile() || !pattern.test(item.name)) continue;
    const path = posix.join(folder, posix.relative(join(root, folder), join(item.parentPath, item.name)));
    files.push({ path, text: readFileSync(join(root, path), "utf8") });
  }
  return files.sort((left, right) => (left.path < right.path ? -1 : 1));
}

/** Every TypeScript and AssemblyScript file of the project. */
export function sourceFiles(): SourceFile[] {
  return ["src", "client", "web", "testkit", "tools", "bench"].flatMap((folder) => filesUnder(folder, /\.(ts|tsx|mjs)$/));
}

/** What a file imports: `path` within the project (with its extension), or the name of a package or of a part of Node.js. */
export interface Imports {
  readonly files: string[];
  readonly packages: string[];
}

const importPattern = /^\s*(?:import|export)\s+(?:type\s+)?(?:[\w$*{},\s]+?\s+from\s+)?["']([^"'\n]+)["']/gm;
const dynamicPattern = /\bimport\(\s*["']([^"'\n]+)["']\s*\)|new URL\(\s*["'](\.[^"'\n]+\.tsx?)["']\s*,\s*import\.meta\.url/g;

/** Static and dynamic imports, and files named by `new URL("./x.ts", import.meta.url)` (the entries of workers). */
export function importsOf(file: SourceFile): Imports {
  const imports: Imports = { files: [], packages: [] };
  const code = codeOf(file.text);
  const matches = [...code.matchAll(importPattern), ...code.matchAll(dynamicPattern)];
  for (const target of matches.map((match) => match[1] ?? match[2])) {
    if (!target.startsWith(".")) {
      imports.packages.push(target.startsWith("node:") ? target : target.split("/").slice(0, target.startsWith("@") ? 2 : 1).join("/"));
      continue;
    }
    const path = posix.join(posix.dirname(file.path), target);
    imports.files.push(file.path.startsWith("src/wasm/") ? `${path}.ts` : path); // AssemblyScript leaves the extension out
  }
  return imports;
}

/** The folder that carries a layer number (`storage` for src/storage/part.ts), or undefined outside src/. */
export function layerFolder(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

/** Replaces comments by spaces, and the content of strings too if asked, so that patterns see code only. Lines stay where they are. */
export function codeOf(text: string, keepStrings = true): string {
  const pattern = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g;
  const blank = (part: string): string => part.replace(/[^\n]/g, " ");
  return text.replace(pattern, (part) => (part.startsWith("/") || !keepStrings ? blank(part) : part));
}

/** The 1-based line of an offset. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}
