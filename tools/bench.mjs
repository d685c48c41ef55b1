// `npm run bench [-- options]`: sets up what is missing, then runs bench/run.ts on the pinned Node.js; `npm run bench:growth` runs bench/growth.ts. Runs
// on Node.js 20.
import { run, runTool, setUp } from "./setup.mjs";

const isGrowth = process.argv[2] === "growth";
const program = isGrowth ? "bench/growth.ts" : "bench/run.ts";

await runTool(async () => run(await setUp(), ["--disable-warning=ExperimentalWarning", program, ...process.argv.slice(isGrowth ? 3 : 2)]));
