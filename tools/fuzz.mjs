// `npm run fuzz [-- options]`: sets up what is missing, then runs testkit/fuzz/run_fuzz.ts on the pinned Node.js. Runs on Node.js 20.
import { run, runTool, setUp } from "./setup.mjs";

await runTool(async () => run(await setUp(), ["--disable-warning=ExperimentalWarning", "testkit/fuzz/run_fuzz.ts", ...process.argv.slice(2)]));
