/** Randomness is passed in; a seeded source replays a failing property test. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [0, limit). */
  int(limit: number): number;
}

/** Deterministic generator (mulberry32): good enough for tests and jitter, not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return { next, int: (limit) => Math.floor(next() * limit) };
}

/** The machine's randomness. */
export const systemRandom: Random = {
  next: () => Math.random(),
  int: (limit) => Math.floor(Math.random() * limit),
};
