// Gaps between the samples of one series, for caches of results: what joins results of two evaluations has to know where a sample may count
// in one of them only.

/**
 * Writes the samples' gaps of more than `gapMs`, as pairs of f64: the time before and the time after. Returns their number, of which at most `gapsMax`
 * are written.
 */
export function sampleGaps(timestamps: usize, count: i32, gapMs: f64, target: usize, gapsMax: i32): i32 {
  let found = 0;
  let i = 1;
  const limit = f64x2.splat(gapMs);
  while (i + 2 <= count) {
    const wide = f64x2.gt(f64x2.sub(v128.load(timestamps + ((i as usize) << 3)), v128.load(timestamps + ((i as usize) << 3) - 8)), limit);
    if (v128.any_true(wide)) {
      found = addGap(timestamps, i, gapMs, target, gapsMax, found);
      found = addGap(timestamps, i + 1, gapMs, target, gapsMax, found);
    }
    i += 2;
  }
  return i < count ? addGap(timestamps, i, gapMs, target, gapsMax, found) : found;
}

@inline function addGap(timestamps: usize, i: i32, gapMs: f64, target: usize, gapsMax: i32, found: i32): i32 {
  const before = load<f64>(timestamps + ((i as usize) << 3) - 8);
  const after = load<f64>(timestamps + ((i as usize) << 3));
  if (!(after - before > gapMs)) return found;
  if (found < gapsMax) {
    store<f64>(target + ((found as usize) << 4), before);
    store<f64>(target + ((found as usize) << 4), after, 8);
  }
  return found + 1;
}
