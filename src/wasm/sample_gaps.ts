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

/**
 * Whether the last (at most 20) intervals agree about how often the series has samples, so that a few more or fewer of them lead to the same estimate: those from
 * the 0.3- to the 0.85-quantile differ by at most a fifth, and are at most `maxMs`. `scratch` has room for 20 f64.
 */
export function sampleIntervalIsSettled(timestamps: usize, count: i32, maxMs: f64, scratch: usize): bool {
  const intervals = min(20, count - 1);
  if (intervals < 1) return true;
  for (let k = 0; k < intervals; k++) {
    const i = count - intervals + k;
    const interval = load<f64>(timestamps + ((i as usize) << 3)) - load<f64>(timestamps + ((i as usize) << 3) - 8);
    let to = k;
    while (to > 0 && load<f64>(scratch + ((to as usize) << 3) - 8) > interval) {
      store<f64>(scratch + ((to as usize) << 3), load<f64>(scratch + ((to as usize) << 3) - 8));
      to--;
    }
    store<f64>(scratch + ((to as usize) << 3), interval);
  }
  const low = load<f64>(scratch + ((((intervals - 1) * 3 / 10) as usize) << 3));
  const high = load<f64>(scratch + ((((intervals - 1) * 17 + 19) / 20) as usize << 3));
  return low <= maxMs && high <= low * 1.2;
}
