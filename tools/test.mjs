// `npm test`: types, lint, build, all unit and process tests. Runs on Node.js 20; the tests run on the pinned Node.js.
//   node tools/test.mjs [suite] [files or flags of node --test]
//   suites: all (default: units and process), process (the program as a whole, on real disks), peers (against other monitoring programs), browser (headless Chromium)
import { join } from "node:path";
import { peerEnvironment } from "./peers.mjs";
import { root, run, runTool, setUp, toolEnvironment } from "./setup.mjs";

const processTests = "testkit/process/**/*.process.ts";

const suites = {
  all: {
    checks: true,
    concurrency: 2,
    timeoutMs: 180_000,
    globs: [...["src", "client", "web", "testkit", "tools", "bench"].map((folder) => `${folder}/**/*.test.ts`), processTests],
  },
  process: { checks: false, concurrency: 2, timeoutMs: 180_000, globs: [processTests] },
  peers: { checks: false, concurrency: 1, timeoutMs: 300_000, globs: ["testkit/peers/**/*.peer.ts"] },
  browser: { checks: false, concurrency: 1, timeoutMs: 300_000, globs: ["testkit/browser/**/*.browser.ts"] },
};

const checks = [
  { name: "types", script: ["node_modules", "typescript", "bin", "tsc"], parameters: ["-p", "tsconfig.json"] },
  { name: "lint", script: ["node_modules", "oxlint", "bin", "oxlint"], parameters: ["--deny-warnings", "src", "client", "web", "testkit", "tools", "bench"] },
];

await runTool(async () => {
  const parameters = process.argv.slice(2);
  const suite = suites[parameters[0]] ?? suites.all;
  if (suites[parameters[0]] !== undefined) parameters.shift();
  const runtime = await setUp();
  const env = { ...peerEnvironment(), ...toolEnvironment(runtime) };
  let failed = "";
  if (suite.checks && parameters.length === 0) {
    for (const check of checks) {
      process.stdout.write(`# ${check.name}\n`);
      if ((await run(runtime, [join(root, ...check.script), ...check.parameters], { env })) !== 0) failed += ` ${check.name}`;
    }
  }
  const files = parameters.some((parameter) => !parameter.startsWith("-")) ? [] : suite.globs;
  const code = await run(
    runtime,
    ["--disable-warning=ExperimentalWarning", "--test", `--test-concurrency=${suite.concurrency}`, `--test-timeout=${suite.timeoutMs}`, ...parameters, ...files],
    { env },
  );
  if (failed !== "") process.stdout.write(`\nFAILED before the tests:${failed} (see the top of this output)\n`);
  return failed !== "" ? 1 : code;
});
