/**
 * The entry of the process. Before anything else is loaded, it turns on Node.js' compile cache for this thread and its workers: with it
 * the sources are not parsed and stripped of their types at every start, which halves the time to start and spares 45 MB of memory.
 */
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

const cacheFolder = fileURLToPath(new URL("../../build/compile-cache", import.meta.url));
enableCompileCache(process.env["NODE_COMPILE_CACHE"] ?? cacheFolder);
process.env["NODE_COMPILE_CACHE"] ??= cacheFolder;

const { runProgram } = await import("./program.ts");
await runProgram(process.argv.slice(2));
