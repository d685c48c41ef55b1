/**
 * `npm run test:kill -- --rounds=200 [--seed=N]`: kill -9 of the real program on the real disk, again and again (kill_rounds.ts), with a new directory
 * after every ten rounds. The exit code is 1 if a sample is lost, twice there, or was never sent.
 */
import { parseArgs } from "node:util";
import { seededRandom } from "../../src/base/random.ts";
import { killRounds } from "./kill_rounds.ts";

const roundsPerDirectory = 10;

const { values } = parseArgs({ options: { rounds: { type: "string", default: "200" }, seed: { type: "string", default: "1" } } });
const rounds = Number(values.rounds);
const firstSeed = Number(values.seed);
let samples = 0;
let kills = 0;
for (let done = 0, seed = firstSeed; done < rounds; done += roundsPerDirectory, seed++) {
  try {
    const report = await killRounds(Math.min(roundsPerDirectory, rounds - done), seededRandom(seed));
    samples += report.acknowledgedSamples;
    kills += Object.values(report.kills).reduce((sum, count) => sum + count, 0);
    process.stdout.write(`${done + report.rounds} of ${rounds} rounds, ${kills} kills, ${samples} samples acknowledged, none lost; ${JSON.stringify(report.kills)}\n`);
  } catch (error) {
    process.stdout.write(`FAILED with --seed=${seed}: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
    break;
  }
}
