// The kernels that look for gaps against their plain twins, over columns of random intervals.
import assert from "node:assert/strict";
import test from "node:test";
import { testSeed } from "../../testkit/seed.ts";
import { seededRandom } from "../base/random.ts";
import { Kernel } from "./kernel.ts";
import { sampleGapKernels, sampleGapsScratchBytes } from "./sample_gaps.ts";
import { sampleGapsReference, sampleIntervalIsSettledReference } from "./sample_gaps_reference.ts";

const seed = testSeed();
const gapMs = 240_000;
const gapsMax = 8;

test(`gaps and settled intervals: kernel = twin (seed ${seed})`, () => {
  const random = seededRandom(seed);
  const kernel = new Kernel();
  const kernels = sampleGapKernels(kernel);
  const timestamps = kernel.allocate(200 * 8);
  const scratch = kernel.allocate(sampleGapsScratchBytes(gapsMax));
  let settled = 0;
  for (let round = 0; round < 2000; round++) {
    const count = Math.floor(random.next() * (round % 2 === 0 ? 8 : 100));
    const [missShare, gapShare] = [random.next() * 0.3, random.next() ** 4];
    const times = new Float64Array(count);
    let timeMs = 1_700_000_000_000;
    for (let i = 0; i < count; i++) {
      timeMs += random.next() < gapShare ? gapMs + Math.floor(random.next() * 3 - 1) : random.next() < missShare ? 30_000 : 15_000;
      times[i] = timeMs;
    }
    kernel.f64.set(times, timestamps / 8);
    const expected = sampleGapsReference(times, gapMs);
    assert.equal(kernels.sampleGaps(timestamps, count, gapMs, scratch, gapsMax), expected.length);
    const written = Array.from(kernel.f64.subarray(scratch / 8, scratch / 8 + Math.min(gapsMax, expected.length) * 2));
    assert.deepEqual(written, expected.slice(0, gapsMax).flat());
    const isSettled = sampleIntervalIsSettledReference(times, gapMs);
    assert.equal(kernels.sampleIntervalIsSettled(timestamps, count, gapMs, scratch), isSettled ? 1 : 0, times.join(" "));
    settled += isSettled ? 1 : 0;
  }
  assert.ok(settled > 200 && settled < 1800, String(settled));
});
