// `npm run bench [-- options]`: sets up what is missing, then runs bench/run.ts on the pinned Node.js. Runs on Node.js 20.
import { run, runTool, setUp } from "./setup.mjs";

await runTool(async () => run(await setUp(), ["--disable-warning=ExperimentalWarning", "bench/run.ts", ...process.argv.slice(2)]));
