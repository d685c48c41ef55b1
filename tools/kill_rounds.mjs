// `npm run test:kill -- [--rounds=N] [--seed=N]`: sets up what is missing, then runs testkit/process/run_kill_rounds.ts on the pinned Node.js. Runs on Node.js 20.
import { run, runTool, setUp } from "./setup.mjs";

await runTool(async () => run(await setUp(), ["--disable-warning=ExperimentalWarning", "testkit/process/run_kill_rounds.ts", ...process.argv.slice(2)]));
