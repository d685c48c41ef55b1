/**
 * The plain twin of entropy coded sequences (src/wasm/codec_entropy.ts; docs/formats/block.md, "Coded sequence"): decodes all that is
 * well-formed, and encodes with any table, also those that the kernel would not choose. For tests only.
 */

/** Thrown for bytes that are not a column. */
export class MalformedColumn extends Error {}

export interface EntropyParameters {
  /** 2^m buckets an octave, m from 0 to 4. */
  readonly mantissaBits: number;
  /** The table has 2^R states, R from 5 to 11. */
  readonly stateBits: number;
}

const levelMax = 28;
const numberBitsMax = 57;

function extraBitsOf(symbol: number, mantissaBits: number): number {
  return Math.max((symbol >> mantissaBits) - 1, 0);
}

function symbolOf(number: bigint, mantissaBits: number): number {
  let extra = 0;
  while (number >> BigInt(extra) >= 2 << mantissaBits) extra++;
  return (extra << mantissaBits) + Number(number >> BigInt(extra));
}

function lowestOf(symbol: number, mantissaBits: number): bigint {
  const extra = extraBitsOf(symbol, mantissaBits);
  return BigInt(symbol - (extra << mantissaBits)) << BigInt(extra);
}

function weightOf(level: number): number {
  return level < 4 ? level : (2 + (level & 1)) * 2 ** ((level >> 1) - 1);
}

function levelOf(count: number): number {
  let best = 0;
  for (let level = 0; level <= levelMax; level++) if (Math.abs(weightOf(level) - count) < Math.abs(weightOf(best) - count)) best = level;
  return best;
}

/** Scales weights to counts that add up to 2^R; what rounding leaves goes to, or comes from, the greatest. */
function normalize(weights: readonly number[], stateBits: number): number[] {
  const size = 2 ** stateBits;
  const scale = size / weights.reduce((sum, weight) => sum + weight, 0);
  const counts = weights.map((weight) => (weight === 0 ? 0 : Math.max(Math.floor(weight * scale + 0.5), 1)));
  for (let left = size - counts.reduce((sum, count) => sum + count, 0); left !== 0; ) {
    const greatest = counts.indexOf(Math.max(...counts));
    const change = left > 0 ? left : -Math.min(-left, Math.max(counts[greatest] >> 3, 1));
    counts[greatest] += change;
    left -= change;
  }
  return counts;
}

/** The positions of the states of each symbol, in the order in which they are handed out. */
function spread(counts: readonly number[], stateBits: number): number[][] {
  const size = 2 ** stateBits;
  const step = (size >> 1) + (size >> 3) + 3;
  let position = -step;
  return counts.map((count) => Array.from({ length: count }, () => (position = (position + step) & (size - 1))));
}

class BitReader {
  readonly #bytes: Uint8Array;
  position: number;
  constructor(bytes: Uint8Array, position: number) {
    this.#bytes = bytes;
    this.position = position;
  }
  bit(): number {
    if (this.position >= this.#bytes.length * 8) throw new MalformedColumn("bits end");
    const bit = (this.#bytes[this.position >> 3] >> (this.position & 7)) & 1;
    this.position++;
    return bit;
  }
  golomb(k: number): number {
    let c = 0;
    while (this.bit() === 0) if (++c > 10) throw new MalformedColumn("number in the table");
    let value = 0;
    for (let i = 0; i < c + k; i++) value |= this.bit() << i;
    return value + (1 << (c + k)) - (1 << k);
  }
}

function readWeights(reader: BitReader, { mantissaBits, stateBits }: EntropyParameters): number[] {
  const first = reader.golomb(2);
  const symbolCount = first + reader.golomb(3) + 1;
  if (symbolCount > 1023 || extraBitsOf(symbolCount - 1, mantissaBits) + stateBits > numberBitsMax) throw new MalformedColumn("symbols");
  const weights = Array.from({ length: symbolCount }, () => 0);
  let previous = 0;
  for (let symbol = first; symbol < symbolCount; symbol++) {
    const code = reader.golomb(1);
    const level = previous === 0 ? code + 1 : previous + ((code >> 1) ^ -(code & 1));
    if (level < 0 || level > levelMax) throw new MalformedColumn("level");
    weights[symbol] = weightOf(level);
    if (level === 0) {
      symbol += reader.golomb(1);
      if (symbol + 1 >= symbolCount) throw new MalformedColumn("zeros at the end");
    }
    previous = level;
  }
  if (weights.filter((weight) => weight > 0).length * 2 > 2 ** stateBits) throw new MalformedColumn("too many symbols");
  return weights;
}

/** Decodes a whole sequence of `count` numbers, its first byte included. */
export function decodeEntropyReference(bytes: Uint8Array, count: number): bigint[] {
  const parameters = { mantissaBits: bytes[0] >> 4, stateBits: bytes[0] & 15 };
  const { mantissaBits, stateBits } = parameters;
  if (stateBits < 5 || stateBits > 11 || mantissaBits > 4) throw new MalformedColumn("entropy parameters");
  const reader = new BitReader(bytes, 8);
  const counts = normalize(readWeights(reader, parameters), stateBits);
  const table: { symbol: number; state: number }[] = [];
  spread(counts, stateBits).forEach((positions, symbol) => positions.forEach((position, i) => (table[position] = { symbol, state: counts[symbol] + i })));
  const bodyFrom = Math.ceil(reader.position / 8) * 8;
  let position = bytes.length * 8 - 1;
  if (bodyFrom > position || bytes[bytes.length - 1] === 0) throw new MalformedColumn("no body");
  const take = (size: number): bigint => {
    let value = 0n;
    for (let i = 0; i < size; i++) {
      if (--position < bodyFrom) throw new MalformedColumn("body ends");
      value = (value << 1n) | BigInt((bytes[position >> 3] >> (position & 7)) & 1);
    }
    return value;
  };
  while (((bytes[position >> 3] >> (position & 7)) & 1) === 0) position--;
  const [state3, state2, state1, state0] = Array.from({ length: 4 }, () => Number(take(stateBits)));
  const states = [state1, state2, state3, state0];
  const numbers: bigint[] = [];
  for (let i = 0; i < count; i++) {
    const { symbol, state } = table[states[i % 4]];
    const extra = extraBitsOf(symbol, mantissaBits);
    let bits = 0;
    while (state << bits < 2 ** stateBits) bits++;
    states[i % 4] = (state << bits) - 2 ** stateBits + Number(take(bits));
    numbers.push(lowestOf(symbol, mantissaBits) + take(extra));
  }
  if (position !== bodyFrom || states.some((state) => state !== 0)) throw new MalformedColumn("body does not end with the numbers");
  return numbers;
}

class BitWriter {
  readonly bits: number[] = [];
  put(value: bigint, size: number): void {
    for (let i = 0; i < size; i++) this.bits.push(Number((value >> BigInt(i)) & 1n));
  }
  golomb(value: number, k: number): void {
    const shifted = value + (1 << k);
    const c = 31 - Math.clz32(shifted) - k;
    this.put(1n << BigInt(c), c + 1);
    this.put(BigInt(shifted - (1 << (c + k))), c + k);
  }
  toBytes(): number[] {
    return Array.from({ length: Math.ceil(this.bits.length / 8) }, (_, i) => this.bits.slice(i * 8, i * 8 + 8).reduce((byte, bit, k) => byte | (bit << k), 0));
  }
}

function writeLevels(writer: BitWriter, levels: readonly number[]): void {
  const first = levels.findIndex((level) => level > 0);
  writer.golomb(first, 2);
  writer.golomb(levels.length - 1 - first, 3);
  let previous = 0;
  for (let symbol = first; symbol < levels.length; symbol++) {
    const change = levels[symbol] - previous;
    writer.golomb(previous === 0 ? change - 1 : change < 0 ? -change * 2 - 1 : change * 2, 1);
    previous = levels[symbol];
    if (previous > 0) continue;
    let run = 0;
    while (levels[symbol + 1] === 0) [symbol, run] = [symbol + 1, run + 1];
    writer.golomb(run, 1);
  }
}

/** Encodes numbers with a given table size; undefined if they have too many symbols or are too large for it. */
export function encodeEntropyReference(numbers: readonly bigint[], parameters: EntropyParameters): Uint8Array | undefined {
  const { mantissaBits, stateBits } = parameters;
  const symbols = numbers.map((number) => symbolOf(number, mantissaBits));
  const greatest = Math.max(...symbols);
  if (new Set(symbols).size * 2 > 2 ** stateBits || extraBitsOf(greatest, mantissaBits) + stateBits > numberBitsMax) return undefined;
  const totals = Array.from({ length: greatest + 1 }, () => 0);
  for (const symbol of symbols) totals[symbol]++;
  const levels = totals.map(levelOf);
  const counts = normalize(levels.map(weightOf), stateBits);
  const positions = spread(counts, stateBits);
  const table = new BitWriter();
  writeLevels(table, levels);
  const body = new BitWriter();
  const size = 2 ** stateBits;
  const states = [size, size, size, size];
  for (let i = numbers.length - 1; i >= 0; i--) {
    const symbol = symbols[i];
    const extra = extraBitsOf(symbol, mantissaBits);
    const state = states[i % 4];
    let bits = 0;
    while (state >> bits >= counts[symbol] * 2) bits++;
    body.put(numbers[i] - lowestOf(symbol, mantissaBits), extra);
    body.put(BigInt(state & ((1 << bits) - 1)), bits);
    states[i % 4] = size + positions[symbol][(state >> bits) - counts[symbol]];
  }
  for (const state of [states[3], states[0], states[1], states[2]]) body.put(BigInt(state - size), stateBits);
  body.put(1n, 1);
  return Uint8Array.from([(mantissaBits << 4) | stateBits, ...table.toBytes(), ...body.toBytes()]);
}
