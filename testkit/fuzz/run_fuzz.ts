/**
 * `npm run fuzz -- [--target=all] [--seconds=10] [--seed=<the fixed one>] [--input=<number>]`: runs fuzz targets for so many seconds of CPU each; with
 * --input one input alone. Ends with code 1 at the first finding, whose input is printed.
 */
import { parseArgs } from "node:util";
import { testSeed } from "../seed.ts";
import type { FuzzReport } from "./fuzz_loop.ts";
import { printFinding, runFuzz } from "./fuzz_session.ts";
import { fuzzTargets } from "./targets.ts";

function printReport({ target, inputs, accepted, cpuMs, slowestMs, largestBytes }: FuzzReport): void {
  const columns = [target.padEnd(20), `${inputs} inputs`.padStart(16), `${accepted} accepted`.padStart(17), `${(cpuMs / 1000).toFixed(1)} s`.padStart(9), `slowest ${slowestMs.toFixed(0)} ms`.padStart(16)];
  process.stdout.write(`${columns.join(" ")}  largest ${(largestBytes / 1024).toFixed(0)} KiB\n`);
}

const { values } = parseArgs({ options: { target: { type: "string", default: "all" }, seconds: { type: "string", default: "10" }, seed: { type: "string" }, input: { type: "string" } } });
const names = fuzzTargets.map(({ name }) => name);
const targets = values.target === "all" ? names : values.target.split(",");
const unknown = targets.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`unknown target ${unknown.join(", ")}; there are: ${names.join(", ")}\n`);
  process.exitCode = 2;
} else {
  const seed = values.seed === undefined ? testSeed() : Number(values.seed);
  process.stdout.write(`seed ${seed}\n`);
  const finding = await runFuzz({
    targets,
    seed,
    firstInput: Number(values.input ?? 0),
    inputsMax: values.input === undefined ? Infinity : 1,
    cpuMsMax: Number(values.seconds) * 1000,
    onReport: printReport,
  });
  if (finding !== undefined) {
    process.stdout.write(printFinding(finding) + "\n");
    process.exitCode = 1;
  }
}
