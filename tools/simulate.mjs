// `npm run simulate -- [--seeds=N] [--from=N] [--processes=N] [--verbose]`: sets up what is missing, then runs testkit/simulate_stores.ts on the pinned
// Node.js. Runs on Node.js 20.
import { run, runTool, setUp } from "./setup.mjs";

await runTool(async () => run(await setUp(), ["--disable-warning=ExperimentalWarning", "testkit/simulate_stores.ts", ...process.argv.slice(2)]));
