/** Some rounds of kill -9 at any moment, start and stop included; hundreds of them with `npm run test:kill -- --rounds=200`. */
import { test } from "node:test";
import { seededRandom } from "../../src/base/random.ts";
import { testSeed } from "../seed.ts";
import { killRounds } from "./kill_rounds.ts";

const seed = testSeed();

test(`kill: five rounds lose nothing (seed ${seed})`, async (context) => {
  const { acknowledgedSamples, kills } = await killRounds(5, seededRandom(seed));
  context.diagnostic(`${acknowledgedSamples} samples acknowledged, killed ${JSON.stringify(kills)}`);
});
