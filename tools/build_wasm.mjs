// Compiles src/wasm/index.ts to build/tidemark.wasm. `--if-stale` does nothing when the output is newer than every source.
// Runs on Node.js 20 too.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const output = join(root, "build", "tidemark.wasm");
const sources = readdirSync(join(root, "src", "wasm")).map((name) => join(root, "src", "wasm", name));
const newestMs = Math.max(...[...sources, fileURLToPath(import.meta.url)].map((path) => statSync(path).mtimeMs));
const fresh = existsSync(output) && statSync(output).mtimeMs > newestMs;

if (!(fresh && process.argv.includes("--if-stale"))) {
  mkdirSync(dirname(output), { recursive: true });
  const temporary = `${output}.${process.pid}`;
  const asc = join(root, "node_modules", "assemblyscript", "bin", "asc.js");
  const flags = [
    "src/wasm/index.ts", "-O3", "--runtime", "stub", "--noAssert",
    "--enable", "simd", "--enable", "threads", "--enable", "bulk-memory",
    "--importMemory", "--sharedMemory", "--initialMemory", "16", "--maximumMemory", "65536",
    "--use", "abort=", "-o", temporary,
  ];
  const result = spawnSync(process.execPath, [asc, ...flags], { cwd: root, stdio: "inherit" });
  if (result.status !== 0) process.exit(result.status ?? 1);
  renameSync(temporary, output);
}
