/**
 * The seed of the property and simulation tests: the same in every run, so that a failure is one for everybody.
 * TIDEMARK_TEST_SEED=<number> replays or tries another one, TIDEMARK_TEST_SEED=random looks for new failures; tests print it when they fail.
 */
const fixedSeed = 20_261_121;

export function testSeed(): number {
  const wanted = process.env["TIDEMARK_TEST_SEED"];
  if (wanted === undefined || wanted === "") return fixedSeed;
  return wanted === "random" ? Math.floor(Math.random() * 2 ** 31) : Number(wanted);
}
