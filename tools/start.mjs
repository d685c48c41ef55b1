// `npm start [-- flags]`: sets up what is missing, then runs bin/tidemark with the flags. Runs on Node.js 20.
import { join } from "node:path";
import { root, run, runTool, setUp } from "./setup.mjs";

/** The same signal again within this time is one press of ^C that came from the terminal and from npm. */
const repeatMs = 300;

await runTool(async () => {
  await setUp();
  // In its own process group, so that a ^C reaches it once, through us: a second signal means "exit at once".
  return run(join(root, "bin", "tidemark"), process.argv.slice(2), { cwd: process.env.INIT_CWD ?? process.cwd(), detached: true, onStart: forwardSignals });
});

function forwardSignals(child) {
  const onTerminal = process.stdin.isTTY === true;
  const lastMs = new Map();
  for (const signal of ["SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP"]) {
    process.on(signal, () => {
      const nowMs = performance.now();
      const repeated = nowMs - (lastMs.get(signal) ?? -Infinity) < repeatMs;
      lastMs.set(signal, nowMs);
      // A closed terminal ends the program; from anywhere else SIGHUP means "read the configuration again".
      if (!repeated) child.kill(signal === "SIGHUP" && onTerminal ? "SIGTERM" : signal);
    });
  }
}
