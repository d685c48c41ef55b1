// What `npm start` and `npm test` do first: install what is missing, find the runtime, build what is stale.
// Runs before anything is installed, hence plain JavaScript for Node.js 20 without dependencies.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of package.json. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..");

const minimumMajor = 24;
const modules = join(root, "node_modules");
const pinnedRuntime = join(modules, `node-${process.platform}-${process.arch}`, "bin", "node");

/** Installs and builds what is missing or stale. Returns the path of the Node.js binary to use from here on. */
export async function setUp() {
  let reason = whyInstall();
  if (reason === undefined && findRuntime() === undefined) reason = "the pinned Node.js is missing";
  if (reason !== undefined) await install(reason);
  const runtime = findRuntime();
  if (runtime === undefined) {
    throw new SetupError(
      `no usable Node.js: the registry has no package node-${process.platform}-${process.arch} for this machine (or it could not be ` +
        `fetched), and this Node.js is ${process.version}. Install Node.js ${minimumMajor} or newer and try again.`,
    );
  }
  await runOrThrow(runtime, ["tools/build_wasm.mjs", "--if-stale"], "the WebAssembly build failed");
  await runOrThrow(runtime, ["tools/build_web.mjs", "--if-stale"], "the build of the UI failed");
  await runOrThrow(runtime, ["tools/build_server.mjs", "--if-stale"], "the build of the program failed");
  return runtime;
}

/** A failure of the set-up that the user can act on; shown without a stack. */
export class SetupError extends Error {}

/**
 * Why node_modules does not match package-lock.json, or undefined if it does. npm writes node_modules/.package-lock.json as the
 * last step of an installation, so it is the stamp: an interrupted installation has none.
 */
export function whyInstall(folder = root) {
  const wanted = readLock(join(folder, "package-lock.json"));
  if (wanted === undefined) throw new SetupError("package-lock.json is missing: this is not a whole checkout");
  const installed = readLock(join(folder, "node_modules", ".package-lock.json"));
  if (installed === undefined) return "nothing is installed yet";
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === "" || entry.link) continue;
    const found = installed[path];
    if (found === undefined && (entry.optional || entry.peer)) continue; // made for another platform
    const name = path.replace(/^.*node_modules\//, "");
    if (found === undefined || !existsSync(join(folder, path))) return `${name} is missing`;
    if (found.version !== entry.version || found.integrity !== entry.integrity) return `${name} ${entry.version} is wanted, ${found.version} is there`;
  }
  return undefined;
}

function readLock(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8")).packages;
  } catch (error) {
    if (error.code === "ENOENT" || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function install(reason) {
  process.stderr.write(`Installing packages with npm because ${reason}; this is done once and takes about a minute.\n`);
  const startMs = Date.now();
  const heartbeat = setInterval(() => process.stderr.write(`  still installing (${Math.round((Date.now() - startMs) / 1000)} s)\n`), 10_000);
  const options = ["ci", "--ignore-scripts", "--include=dev", "--include=optional", "--no-audit", "--no-fund", "--loglevel=error"];
  // npm's own Node.js runs npm: the one in node_modules is about to be deleted.
  const script = process.env.npm_execpath;
  const code = script?.endsWith(".js")
    ? await run(process.env.npm_node_execpath ?? process.execPath, [script, ...options])
    : await run("npm", options);
  clearInterval(heartbeat);
  if (code !== 0) throw new SetupError(`npm ci failed with exit code ${code}; its messages are above`);
  process.stderr.write(`Installed in ${Math.round((Date.now() - startMs) / 1000)} s.\n`);
}

/** The Node.js to run: the pinned one, else the one that runs this file if it is new enough. */
function findRuntime() {
  if (existsSync(pinnedRuntime)) return pinnedRuntime;
  return Number(process.versions.node.split(".")[0]) >= minimumMajor ? process.execPath : undefined;
}

async function runOrThrow(command, parameters, message) {
  const code = await run(command, parameters);
  if (code !== 0) throw new SetupError(message);
}

/** Runs a command in the project folder with inherited output; resolves to its exit code (128 + n after signal n). */
export function run(command, parameters, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, parameters, { cwd: root, stdio: "inherit", ...options });
    options.onStart?.(child);
    child.on("error", (cause) => reject(new SetupError(`cannot run ${command}: ${cause.message}`)));
    child.on("exit", (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}

/** The environment in which `node` and the installed tools come first in the path. */
export function toolEnvironment(runtime) {
  return { ...process.env, PATH: [dirname(runtime), join(modules, ".bin"), process.env.PATH ?? ""].join(delimiter) };
}

/** Runs `main` as the body of a tool: its result is the exit code, a SetupError is one line. */
export async function runTool(main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`tidemark: ${error.message}\n`);
    process.exitCode = 1;
  }
}
