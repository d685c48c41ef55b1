// Coded sequences: unsigned numbers packed in mini-blocks or, where it pays, entropy coded (docs/formats/block.md, "Coded sequence").
//
//   number --log-linear bucket--> symbol (tANS, 4 states in turns) and raw low bits, in one stream of bits
//
// A symbol has 2^m buckets an octave; m, the size 2^R of the state table and the weights of the symbols stand in front of the stream. Weights
// are rounded to 1, 2, 3, 4, 6, 8, 12 ...: that costs 0.01 bits a number at most and makes the table a few bits a symbol. The encoder works
// from the last number to the first, so that the decoder, which reads the stream from its end, meets them in order.
import { scratchPad } from "./codec_front";
import { bitWidth, packSequence, unpackSequence } from "./codec_pack";

const symbolCountMax: i32 = 1024;
const stateBitsMin: i32 = 5;
const stateBitsMax: i32 = 11;
const mantissaBitsMax: i32 = 4;
const levelMax: i32 = 28;
/** A number takes at most so many bits of the stream, which is what one load of 8 bytes at any bit yields. */
const numberBitsMax: i32 = 57;
/** The encoder stops here: with the 7 bits that wait before a number, it must stay below 64. */
const writtenBitsMax: i32 = 56;
/** With at most so many bits for every number, two of them come out of one load, and all are below 2^28. */
const narrowBitsMax: i32 = 28;

// Scratch of this file, behind scratchEntropy.
const weightsAt: usize = 0; // u32 by symbol; normalized counts overwrite them
const histogramAt: usize = 4096; // u32 by symbol
const mergedAt: usize = 8192; // u32 by symbol
const symbolsAt: usize = 12288; // u32 and i32 by symbol: how the encoder leaves a state
const statesAt: usize = 20480; // u16 by position
const tableAt: usize = 24576; // 16 bytes by state
const bodyAt: usize = tableAt + 32768;
const bodySizeMax: usize = 65536;
export const entropyScratchBytes: usize = bodyAt + bodySizeMax + 64;

@inline
function symbolOf(number: u64, mantissaBits: i32): i32 {
  if (number < (1 as u64) << (mantissaBits + 1)) return number as i32;
  const extra = 63 - (clz(number) as i32) - mantissaBits;
  return (extra << mantissaBits) + ((number >> extra) as i32);
}

/** Raw bits of the numbers of a bucket. */
@inline
function extraBitsOf(symbol: i32, mantissaBits: i32): i32 {
  return max((symbol >> mantissaBits) - 1, 0);
}

// ---- encoding --------------------------------------------------------------------------------------------------------------

// Results of planCoded, for writeCoded: what the packed and the coded numbers would take, and how to code them.
export let packedBits: i64 = 0;
export let codedBits: i64 = 0;
/** Bits of the largest number. */
export let codedWidth: i32 = 0;
let plannedMantissaBits: i32 = 0;
let plannedStateBits: i32 = 0;
let plannedSymbolCount: i32 = 0;

/** Whether the planned sequence is smaller when entropy coded, by enough to be worth the time to decode it. */
export function isCodingWorthIt(): bool {
  return codedBits < packedBits - (packedBits >> 6) - 32;
}

/** Estimates what the `count` numbers at `codes` (1 or more) cost; `entropy` is this file's scratch. */
export function planCoded(codes: usize, count: i32, entropy: usize): void {
  const most: i32 = count > 2048 ? mantissaBitsMax : count > 512 ? 3 : count > 100 ? 2 : count > 64 ? 1 : 0; // short ones never gain by more
  const histogram = entropy + histogramAt;
  memory.fill(histogram, 0, (symbolCountMax as usize) << 2);
  let packed: i64 = 0;
  let all: u64 = 0;
  const end = codes + ((count as usize) << 3);
  for (let at = codes; at < end; ) {
    const groupEnd = min(at + 1024, end);
    const groupSize = (groupEnd - at) as i64;
    let bits: u64 = 0;
    for (; at < groupEnd; at += 8) {
      const number = load<u64>(at);
      bits |= number;
      const counter = histogram + ((symbolOf(number, most) as usize) << 2);
      store<u32>(counter, load<u32>(counter) + 1);
    }
    packed += (groupSize >> 3) * (bitWidth(bits) as i64) + 8;
    all |= bits;
  }
  packedBits = packed;
  codedWidth = bitWidth(all);
  planSymbols(count, most, codedWidth, entropy);
}

/** log2 of a positive number to about 4 decimals. */
@inline
function log2Of(number: u32): f32 {
  const bits = reinterpret<u32>(number as f32);
  const mantissa = reinterpret<f32>((bits & 0x7fffff) | 0x3f800000);
  const fraction: f32 = -1.7417939 + (2.8212026 + (-1.4699568 + (0.44717955 - 0.056570851 * mantissa) * mantissa) * mantissa) * mantissa;
  return ((bits >> 23) as f32) - 127 + fraction;
}

/** Chooses the number of mantissa bits by the entropy of its buckets, merging pairs of buckets from `most` mantissa bits down to none. */
function planSymbols(count: i32, most: i32, width: i32, entropy: usize): void {
  const histogram = entropy + histogramAt;
  const merged = entropy + mergedAt;
  const weights = entropy + weightsAt;
  const logCount = log2Of(count as u32);
  const symbolCount = symbolOf((-1 as u64) >> (64 - max(width, 1)), most) + 1;
  let best: f32 = Infinity;
  memory.copy(merged, histogram, (symbolCount as usize) << 2);
  let merge = symbolCount;
  for (let mantissaBits = most; mantissaBits >= 0; mantissaBits--) {
    if (mantissaBits < most) merge = mergeSymbols(merged, merge, mantissaBits);
    let cost: f32 = 24;
    let present = 0;
    for (let symbol = 0; symbol < merge; symbol++) {
      const counter = load<u32>(merged + ((symbol as usize) << 2));
      if (counter == 0) continue;
      present++;
      cost += (counter as f32) * (logCount - log2Of(counter) + (extraBitsOf(symbol, mantissaBits) as f32)) + 3.5;
    }
    const stateBits = min(stateBitsFor(count, present), writtenBitsMax - extraBitsOf(merge - 1, mantissaBits));
    if (cost >= best || stateBits < stateBitsMin || present << 1 > 1 << stateBits) continue;
    best = cost;
    plannedMantissaBits = mantissaBits;
    plannedStateBits = stateBits;
    plannedSymbolCount = merge;
    memory.copy(weights, merged, (merge as usize) << 2);
  }
  codedBits = best == Infinity ? i64.MAX_VALUE >> 1 : ((best * 1.005) as i64) + ((plannedStateBits << 2) as i64) + 8;
}

/** Large tables for many numbers (building one takes 2 ns a state), and at least two states a symbol where possible. */
@inline
function stateBitsFor(count: i32, symbolCount: i32): i32 {
  let stateBits = count > 3000 ? 10 : count > 1500 ? 9 : count > 1000 ? 8 : count > 400 ? 7 : 6;
  while (stateBits < stateBitsMax && 1 << stateBits < symbolCount << 1) stateBits++;
  return stateBits;
}

/** Joins the buckets of mantissaBits + 1 to those of mantissaBits; returns how many are left. */
function mergeSymbols(merged: usize, symbolCount: i32, mantissaBits: i32): i32 {
  const plain = 2 << mantissaBits; // buckets of one number, alike in both
  let to = plain;
  for (let from = plain; from < symbolCount; from += 2, to++) {
    const second = from + 1 < symbolCount ? load<u32>(merged + ((from as usize) << 2), 4) : 0;
    store<u32>(merged + ((to as usize) << 2), load<u32>(merged + ((from as usize) << 2)) + second);
  }
  return min(to, symbolCount);
}

/** Writes the planned sequence, entropy coded or packed. REQUIRES: planCoded has just seen it. May touch 16 bytes behind the end. */
export function writeCoded(codes: usize, count: i32, out: usize, entropy: usize): usize {
  if (!isCodingWorthIt()) {
    store<u8>(out, 0);
    return packSequence(codes, count, out + 1);
  }
  store<u8>(out, ((plannedMantissaBits << 4) | plannedStateBits) as u8);
  out = writeLevels(out + 1, entropy + weightsAt);
  normalizeWeights(entropy + weightsAt, plannedSymbolCount, plannedStateBits);
  buildEncoder(entropy);
  return writeBody(codes, count, out, entropy);
}

// The stream of bits of writeLevels: where it is, and what has not been stored yet.
let bitTarget: usize = 0;
let bitWord: u64 = 0;
let bitCount: i32 = 0;

/** Writes `size` bits, at most 32. */
@inline
function putBits(value: u64, size: i32): void {
  bitWord |= value << bitCount;
  bitCount += size;
  store<u64>(bitTarget, bitWord);
  bitTarget += (bitCount >> 3) as usize;
  bitWord >>= bitCount & 0x38;
  bitCount &= 7;
}

/** Writes a number: c zeros, a one, and its c + k low bits, for c as small as possible. */
function putGolomb(value: u32, k: i32): void {
  const shifted = value + ((1 as u32) << k);
  const c = 31 - (clz(shifted) as i32) - k;
  putBits((1 as u64) << c, c + 1);
  putBits((shifted - ((1 as u32) << (c + k))) as u64, c + k);
}

/** The level whose weight is nearest to a count: 1, 2, 3, 4, 6, 8, 12, 16 ... */
function levelOf(count: u32): u32 {
  if (count < 5) return count;
  const octave = 31 - clz(count);
  const fraction = ((count << 8) >> octave) as u32; // 256 to 511
  return octave * 2 + (fraction < 314 ? 0 : fraction < 443 ? 1 : 2);
}

@inline
function weightOf(level: u32): u32 {
  return level < 4 ? level : ((2 | (level & 1)) as u32) << ((level >> 1) - 1);
}

/** Writes the levels of the weights, and turns weights into what the levels stand for. Returns the end. */
function writeLevels(out: usize, weights: usize): usize {
  let symbolCount = plannedSymbolCount;
  while (load<u32>(weights + ((symbolCount as usize) << 2) - 4) == 0) symbolCount--;
  let symbol = 0;
  while (load<u32>(weights + ((symbol as usize) << 2)) == 0) symbol++;
  plannedSymbolCount = symbolCount;
  bitTarget = out;
  bitWord = 0;
  bitCount = 0;
  putGolomb(symbol as u32, 2);
  putGolomb((symbolCount - symbol - 1) as u32, 3);
  let previous: i32 = 0;
  for (; symbol < symbolCount; symbol++) {
    const weight = weights + ((symbol as usize) << 2);
    const level = levelOf(load<u32>(weight)) as i32;
    store<u32>(weight, weightOf(level as u32));
    if (previous == 0) putGolomb((level - 1) as u32, 1);
    else {
      const change = level - previous;
      putGolomb(((change << 1) ^ (change >> 31)) as u32, 1);
    }
    if (level == 0) {
      let run = 0;
      while (load<u32>(weights + (((symbol + 1) as usize) << 2)) == 0) {
        symbol++;
        run++;
      }
      putGolomb(run as u32, 1);
    }
    previous = level;
  }
  return bitTarget + (bitCount > 0 ? 1 : 0);
}

/** Scales weights to counts that add up to 2^stateBits, each at least 1 where there is a weight. REQUIRES: 2 * weights <= 2^stateBits. */
function normalizeWeights(weights: usize, symbolCount: i32, stateBits: i32): void {
  const end = weights + ((symbolCount as usize) << 2);
  let total: u32 = 0;
  for (let at = weights; at < end; at += 4) total += load<u32>(at);
  const scale = ((1 << stateBits) as f64) / (total as f64);
  let left = 1 << stateBits;
  for (let at = weights; at < end; at += 4) {
    const weight = load<u32>(at);
    if (weight == 0) continue;
    const count = max(((weight as f64) * scale + 0.5) as i32, 1);
    store<i32>(at, count);
    left -= count;
  }
  while (left != 0) {
    let greatest = weights;
    for (let at = weights + 4; at < end; at += 4) if (load<i32>(at) > load<i32>(greatest)) greatest = at;
    const change = left > 0 ? left : -min(-left, max(load<i32>(greatest) >> 3, 1));
    store<i32>(greatest, load<i32>(greatest) + change);
    left -= change;
  }
}

@inline
function spreadStep(stateBits: i32): i32 {
  return (1 << stateBits >> 1) + (1 << stateBits >> 3) + 3;
}

/** Spreads the states over the symbols, as buildDecoder does. */
function buildEncoder(entropy: usize): void {
  const stateBits = plannedStateBits;
  const size = 1 << stateBits;
  const step = spreadStep(stateBits);
  const states = entropy + statesAt;
  let total = 0;
  let position = 0;
  for (let symbol = 0; symbol < plannedSymbolCount; symbol++) {
    const count = load<i32>(entropy + weightsAt + ((symbol as usize) << 2));
    if (count == 0) continue;
    const bits = count == 1 ? stateBits : stateBits - (31 - (clz(count - 1) as i32));
    const leave = entropy + symbolsAt + ((symbol as usize) << 3);
    store<i32>(leave, count == 1 ? (stateBits << 16) - size : (bits << 16) - (count << bits));
    store<i32>(leave, total - count, 4);
    for (let k = 0; k < count; k++) {
      store<u16>(states + (((total + k) as usize) << 1), (size + position) as u16);
      position = (position + step) & (size - 1);
    }
    total += count;
  }
}

/** Writes the stream of bits: from the last number to the first, then the four states, then a 1 that marks the end. */
function writeBody(codes: usize, count: i32, out: usize, entropy: usize): usize {
  const mantissaBits = plannedMantissaBits;
  const stateBits = plannedStateBits;
  const numberBits = extraBitsOf(plannedSymbolCount - 1, mantissaBits) + stateBits;
  const symbols = entropy + symbolsAt;
  const states = entropy + statesAt;
  const start: u32 = 1 << stateBits;
  bodyState0 = start;
  bodyState1 = start;
  bodyState2 = start;
  bodyState3 = start;
  bitTarget = out;
  bitWord = 0;
  bitCount = 0;
  let end = codes + ((count as usize) << 3);
  // The states take turns: at most three numbers are written before the first of four.
  for (; (end - codes) & 31; ) end = writeNumber(end, mantissaBits, symbols, states);
  if (plannedSymbolCount <= 2 << mantissaBits) writePlainFours(codes, end, symbols, states);
  else writeFours(codes, end, numberBits << 1 <= writtenBitsMax, mantissaBits, symbols, states);
  const mask = start - 1;
  const value =
    ((bodyState0 & mask) as u64) | (((bodyState1 & mask) as u64) << stateBits) | (((bodyState2 & mask) as u64) << (2 * stateBits)) |
    (((bodyState3 & mask) as u64) << (3 * stateBits)) | ((1 as u64) << (4 * stateBits));
  store<u64>(bitTarget, bitWord | (value << bitCount));
  return bitTarget + ((bitCount + 4 * stateBits + 8) >> 3);
}

// The states, of which the next number takes the first one.
let bodyState0: u32 = 0;
let bodyState1: u32 = 0;
let bodyState2: u32 = 0;
let bodyState3: u32 = 0;

/** Bits that `state` gives away when it is left for a symbol, whose row is at `leave`. */
@inline
function bitsLeft(state: u32, leave: usize): u32 {
  return (state + load<u32>(leave)) >> 16;
}

@inline
function nextState(state: u32, bits: u32, leave: usize, states: usize): u32 {
  return load<u16>(states + ((((state >> bits) as i32) + load<i32>(leave, 4)) << 1));
}

/** The lowest bits of a state. The mask comes from memory: a shift by a variable takes three instructions. */
@inline
function lowBits(state: u32, bits: u32): u64 {
  return (state & load<u32>(masks + ((bits as usize) << 2))) as u64;
}

const masks: usize = memory.data<u32>([0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 2047]);

@inline
function extraOf(number: u64, mantissaBits: i32): u32 {
  return max(63 - (clz(number) as i32) - mantissaBits, 0) as u32;
}

/** The row of the symbol of a number with `extra` raw bits. */
@inline
function leaveOf(number: u64, extra: u32, mantissaBits: i32, symbols: usize): usize {
  return symbols + ((((extra << mantissaBits) as u64) + (number >> extra)) << 3) as usize;
}

/** What is stored of a number: the low bits of the state above its raw bits. */
@inline
function bodyBits(number: u64, extra: u32, state: u32, bits: u32): u64 {
  return (lowBits(state, bits) << extra) | (number & (((1 as u64) << extra) - 1));
}

/** Writes the number before `at`, and returns its place. */
function writeNumber(at: usize, mantissaBits: i32, symbols: usize, states: usize): usize {
  const number = load<u64>(at - 8);
  const extra = extraOf(number, mantissaBits);
  const leave = leaveOf(number, extra, mantissaBits, symbols);
  const bits = bitsLeft(bodyState0, leave);
  const next = nextState(bodyState0, bits, leave, states);
  bitWord |= bodyBits(number, extra, bodyState0, bits) << bitCount;
  storeBits(bits + extra);
  bodyState0 = bodyState3;
  bodyState3 = bodyState2;
  bodyState2 = bodyState1;
  bodyState1 = next;
  return at - 8;
}

/** Counts the `size` bits that were added to bitWord, and stores its whole bytes. */
@inline
function storeBits(size: u32): void {
  bitCount += size;
  store<u64>(bitTarget, bitWord);
  bitTarget += (bitCount >> 3) as usize;
  bitWord >>= bitCount & 56;
  bitCount &= 7;
}

/** Writes numbers that are their own symbols, from the last one in [codes, end) on: four states are at most 44 bits. */
function writePlainFours(codes: usize, end: usize, symbols: usize, states: usize): void {
  let state0 = bodyState0;
  let state1 = bodyState1;
  let state2 = bodyState2;
  let state3 = bodyState3;
  let word = bitWord;
  let used = bitCount;
  let out = bitTarget;
  for (let at = end; at > codes; at -= 32) {
    const leave0 = symbols + ((load<u32>(at - 8) as usize) << 3);
    const leave3 = symbols + ((load<u32>(at - 16) as usize) << 3);
    const leave2 = symbols + ((load<u32>(at - 24) as usize) << 3);
    const leave1 = symbols + ((load<u32>(at - 32) as usize) << 3);
    const bits0 = bitsLeft(state0, leave0);
    const bits3 = bitsLeft(state3, leave3);
    const bits2 = bitsLeft(state2, leave2);
    const bits1 = bitsLeft(state1, leave1);
    const late = lowBits(state2, bits2) | (lowBits(state1, bits1) << bits2);
    word |= (lowBits(state0, bits0) | (lowBits(state3, bits3) << bits0) | (late << (bits0 + bits3))) << used;
    state0 = nextState(state0, bits0, leave0, states);
    state3 = nextState(state3, bits3, leave3, states);
    state2 = nextState(state2, bits2, leave2, states);
    state1 = nextState(state1, bits1, leave1, states);
    used += bits0 + bits1 + bits2 + bits3;
    store<u64>(out, word);
    out += (used >> 3) as usize;
    word >>= used & 56;
    used &= 7;
  }
  keepBody(state0, state1, state2, state3, word, used, out);
}

/** Writes numbers from the last one in [codes, end) on, four in a turn; `isPaired`: two of them are short enough to be stored at once. */
function writeFours(codes: usize, end: usize, isPaired: bool, mantissaBits: i32, symbols: usize, states: usize): void {
  let state0 = bodyState0;
  let state1 = bodyState1;
  let state2 = bodyState2;
  let state3 = bodyState3;
  let word = bitWord;
  let used = bitCount;
  let out = bitTarget;
  for (let at = end; at > codes; at -= 32) {
    const number0 = load<u64>(at - 8);
    const number3 = load<u64>(at - 16);
    const number2 = load<u64>(at - 24);
    const number1 = load<u64>(at - 32);
    const extra0 = extraOf(number0, mantissaBits);
    const extra3 = extraOf(number3, mantissaBits);
    const extra2 = extraOf(number2, mantissaBits);
    const extra1 = extraOf(number1, mantissaBits);
    const leave0 = leaveOf(number0, extra0, mantissaBits, symbols);
    const leave3 = leaveOf(number3, extra3, mantissaBits, symbols);
    const leave2 = leaveOf(number2, extra2, mantissaBits, symbols);
    const leave1 = leaveOf(number1, extra1, mantissaBits, symbols);
    const bits0 = bitsLeft(state0, leave0);
    const bits3 = bitsLeft(state3, leave3);
    const bits2 = bitsLeft(state2, leave2);
    const bits1 = bitsLeft(state1, leave1);
    word |= bodyBits(number0, extra0, state0, bits0) << used;
    used += bits0 + extra0;
    if (!isPaired) {
      store<u64>(out, word);
      out += (used >> 3) as usize;
      word >>= used & 56;
      used &= 7;
    }
    word |= bodyBits(number3, extra3, state3, bits3) << used;
    used += bits3 + extra3;
    store<u64>(out, word);
    out += (used >> 3) as usize;
    word >>= used & 56;
    used &= 7;
    word |= bodyBits(number2, extra2, state2, bits2) << used;
    used += bits2 + extra2;
    if (!isPaired) {
      store<u64>(out, word);
      out += (used >> 3) as usize;
      word >>= used & 56;
      used &= 7;
    }
    word |= bodyBits(number1, extra1, state1, bits1) << used;
    used += bits1 + extra1;
    store<u64>(out, word);
    out += (used >> 3) as usize;
    word >>= used & 56;
    used &= 7;
    state0 = nextState(state0, bits0, leave0, states);
    state3 = nextState(state3, bits3, leave3, states);
    state2 = nextState(state2, bits2, leave2, states);
    state1 = nextState(state1, bits1, leave1, states);
  }
  keepBody(state0, state1, state2, state3, word, used, out);
}

@inline
function keepBody(state0: u32, state1: u32, state2: u32, state3: u32, word: u64, used: u32, out: usize): void {
  bodyState0 = state0;
  bodyState1 = state1;
  bodyState2 = state2;
  bodyState3 = state3;
  bitWord = word;
  bitCount = used;
  bitTarget = out;
}

// ---- decoding --------------------------------------------------------------------------------------------------------------

/** Whether readCoded has left numbers of 32 bits, not 64. */
export let codedIsNarrow: bool = false;

/**
 * Decodes the sequence that fills [source, end) to `count` numbers (0 or more) at `target`, which has room for that many of 64 bits and 64
 * bytes more: of 32 bits if codedIsNarrow says so, of 64 otherwise. Returns whether the bytes are well-formed.
 */
export function readCoded(source: usize, end: usize, count: i32, target: usize, scratch: usize, entropy: usize): bool {
  codedIsNarrow = false;
  if (count == 0) return source == end;
  if (source >= end) return false;
  const head = load<u8>(source) as i32;
  if (head == 0) return unpackSequence(source + 1, end, count, target, scratch + scratchPad) == end;
  const stateBits = head & 15;
  const mantissaBits = head >> 4;
  if (stateBits < stateBitsMin || stateBits > stateBitsMax || mantissaBits > mantissaBitsMax) return false;
  // A copy has bytes to spare behind it, so that words of 8 bytes can be loaded anywhere.
  const size = end - (source + 1);
  if (size > bodySizeMax) return false;
  const copy = entropy + bodyAt;
  memory.copy(copy, source + 1, size);
  const body = readLevels(copy, size, mantissaBits, stateBits, entropy + weightsAt);
  const bodySize = copy + size - body;
  if (body == 0 || bodySize == 0) return false;
  const last = load<u8>(copy + size - 1) as i32;
  const bits = (((bodySize - 1) << 3) as i32) + 31 - clz(last) - (stateBits << 2);
  if (last == 0 || bits < 0) return false;
  normalizeWeights(entropy + weightsAt, readSymbolCount, stateBits);
  codedIsNarrow = extraBitsOf(readSymbolCount - 1, mantissaBits) + stateBits <= narrowBitsMax;
  buildDecoder(entropy, mantissaBits, stateBits);
  const table = entropy + tableAt;
  if (!codedIsNarrow) return readWide(body, bits, count, stateBits, target, table);
  if (readSymbolCount <= 2 << mantissaBits) return readPlain(body, bits, count, stateBits, target, table);
  return readNarrow(body, bits, count, stateBits, target, table);
}

// The stream of bits of readLevels: where it begins, the bit that is read next, and their number.
let bitSource: usize = 0;
let bitPosition: u32 = 0;
let bitLimit: u32 = 0;

/** Reads a number of putGolomb; -1 if the bits end or it is impossibly large. */
function takeGolomb(k: i32): i32 {
  const word = load<u64>(bitSource + ((bitPosition >> 3) as usize)) >> (bitPosition & 7);
  const c = ctz(word) as i32;
  if (c > 10) return -1;
  bitPosition += 2 * c + k + 1;
  if (bitPosition > bitLimit) return -1;
  return (((word >> (c + 1)) as i32) & ((1 << (c + k)) - 1)) + (1 << (c + k)) - (1 << k);
}

// Further result of readLevels.
let readSymbolCount: i32 = 0;

/** Reads what writeLevels has written, in `size` bytes and 8 more that can be loaded, as weights. Returns the end, or 0 if it is malformed. */
function readLevels(source: usize, size: usize, mantissaBits: i32, stateBits: i32, weights: usize): usize {
  bitSource = source;
  bitPosition = 0;
  bitLimit = (size as u32) << 3;
  const first = takeGolomb(2);
  if (first < 0) return 0;
  const span = takeGolomb(3);
  if (span < 0) return 0;
  const symbolCount = first + span + 1;
  if (symbolCount > symbolCountMax - 1 || extraBitsOf(symbolCount - 1, mantissaBits) + stateBits > numberBitsMax) return 0;
  readSymbolCount = symbolCount;
  memory.fill(weights, 0, (symbolCount as usize) << 2);
  let present = 0;
  let previous = 0;
  for (let symbol = first; symbol < symbolCount; symbol++) {
    const code = takeGolomb(1);
    if (code < 0) return 0;
    const level = previous == 0 ? code + 1 : previous + ((code >> 1) ^ -(code & 1));
    if (level < 0 || level > levelMax) return 0;
    if (level == 0) {
      const run = takeGolomb(1);
      if (run < 0) return 0;
      symbol += run;
      if (symbol + 1 >= symbolCount) return 0;
    } else {
      store<u32>(weights + ((symbol as usize) << 2), weightOf(level as u32));
      present++;
    }
    previous = level;
  }
  return present << 1 > 1 << stateBits ? 0 : bitSource + (((bitPosition + 7) >> 3) as usize);
}

/**
 * Builds the table of states; an entry is u32 lowest number of its bucket, u32 mask of the raw bits, u16 base of the next state, u16 mask
 * of its bits, u8 raw bits, u8 all bits. For wide numbers, the lowest one is stored without its raw bits.
 */
function buildDecoder(entropy: usize, mantissaBits: i32, stateBits: i32): void {
  const size = 1 << stateBits;
  const step = spreadStep(stateBits);
  const table = entropy + tableAt;
  let position = 0;
  for (let symbol = 0; symbol < readSymbolCount; symbol++) {
    const count = load<i32>(entropy + weightsAt + ((symbol as usize) << 2));
    if (count == 0) continue;
    const extra = extraBitsOf(symbol, mantissaBits);
    const mantissa = symbol - (extra << mantissaBits);
    const lowest = ((codedIsNarrow ? mantissa << extra : mantissa) as u64) | ((((1 << extra) - 1) as u64) << 32);
    const bits = stateBits - (31 - (clz(count) as i32));
    // States from here on take one bit less.
    const fewerFrom = bits > 0 ? min(size >> (bits - 1), count << 1) : count << 1;
    let state = count;
    let place = (((1 << bits) - 1) << 16) | ((extra as u64) << 32) | (((extra + bits) as u64) << 40);
    for (; state < fewerFrom; state++) {
      const entry = table + ((position as usize) << 4);
      store<u64>(entry, lowest);
      store<u64>(entry, place | (((state << bits) - size) as u64), 8);
      position = (position + step) & (size - 1);
    }
    if (bits == 0) continue;
    place = (((1 << (bits - 1)) - 1) << 16) | ((extra as u64) << 32) | (((extra + bits - 1) as u64) << 40);
    for (; state < count << 1; state++) {
      const entry = table + ((position as usize) << 4);
      store<u64>(entry, lowest);
      store<u64>(entry, place | (((state << (bits - 1)) - size) as u64), 8);
      position = (position + step) & (size - 1);
    }
  }
}

/** The entry of the next state: the bits above the raw ones of `word`. */
@inline
function nextEntry(table: usize, entry: usize, word: u32): usize {
  return table + (((load<u16>(entry, 8) as u32) + ((word >> (load<u8>(entry, 12) as u32)) & (load<u16>(entry, 10) as u32))) << 4);
}

/** The entry that follows one without raw bits. */
@inline
function nextPlain(table: usize, entry: usize, word: u32): usize {
  return table + (((load<u16>(entry, 8) as u32) + (word & (load<u16>(entry, 10) as u32))) << 4);
}

/** Decodes numbers that are their own symbols to u32: four of them take at most 44 bits, which one load yields. */
function readPlain(body: usize, bits: i32, count: i32, stateBits: i32, target: usize, table: usize): bool {
  const word = statesOf(body, bits);
  const mask = ((1 as u64) << stateBits) - 1;
  let entry0 = table + (((word & mask) as usize) << 4);
  let entry1 = table + ((((word >> stateBits) & mask) as usize) << 4);
  let entry2 = table + ((((word >> (2 * stateBits)) & mask) as usize) << 4);
  let entry3 = table + ((((word >> (3 * stateBits)) & mask) as usize) << 4);
  const fullEnd = target + (((count & ~3) as usize) << 2);
  const end = target + ((count as usize) << 2);
  for (; target < fullEnd && bits >= 4 * stateBitsMax; target += 16) {
    // The word that has the bits is loaded before it is known how many they are: waiting for that took a quarter of the time.
    const from = (bits - 4 * stateBitsMax) & ~7;
    const window = load<u64>(body + ((from >> 3) as usize));
    const taken0 = load<u8>(entry0, 13) as i32;
    const taken3 = taken0 + (load<u8>(entry3, 13) as i32);
    const taken2 = taken3 + (load<u8>(entry2, 13) as i32);
    bits -= taken2 + (load<u8>(entry1, 13) as i32);
    const four = window >> (bits - from);
    store<u32>(target, load<u32>(entry1));
    store<u32>(target, load<u32>(entry2), 4);
    store<u32>(target, load<u32>(entry3), 8);
    store<u32>(target, load<u32>(entry0), 12);
    entry1 = nextPlain(table, entry1, (four >> taken2) as u32);
    entry2 = nextPlain(table, entry2, (four >> taken3) as u32);
    entry3 = nextPlain(table, entry3, (four >> taken0) as u32);
    entry0 = nextPlain(table, entry0, four as u32);
  }
  return readRest(body, bits, entry0, entry1, entry2, entry3, target, end, table);
}

/** Decodes what is left of narrow numbers, one by one, and checks that the sequence ends there. */
function readRest(body: usize, bits: i32, entry0: usize, entry1: usize, entry2: usize, entry3: usize, target: usize, end: usize, table: usize): bool {
  for (; target < end; target += 4) {
    bits -= load<u8>(entry1, 13) as i32;
    if (bits < 0) return false;
    const pair = (load<u64>(body + ((bits >> 3) as usize)) >> (bits & 7)) as u32;
    store<u32>(target, load<u32>(entry1) + (pair & load<u32>(entry1, 4)));
    const next = nextEntry(table, entry1, pair);
    entry1 = entry2;
    entry2 = entry3;
    entry3 = entry0;
    entry0 = next;
  }
  return bits == 0 && entry0 == table && entry1 == table && entry2 == table && entry3 == table;
}

/** Decodes numbers of at most 28 bits to u32. */
function readNarrow(body: usize, bits: i32, count: i32, stateBits: i32, target: usize, table: usize): bool {
  const word = statesOf(body, bits);
  const mask = ((1 as u64) << stateBits) - 1;
  let entry0 = table + (((word & mask) as usize) << 4);
  let entry1 = table + ((((word >> stateBits) & mask) as usize) << 4);
  let entry2 = table + ((((word >> (2 * stateBits)) & mask) as usize) << 4);
  let entry3 = table + ((((word >> (3 * stateBits)) & mask) as usize) << 4);
  const end = target + ((count as usize) << 2);
  const fullEnd = target + (((count & ~3) as usize) << 2);
  for (; target < fullEnd && bits >= 4 * narrowBitsMax; target += 16) {
    let from = (bits - 2 * narrowBitsMax) & ~7;
    let window = load<u64>(body + ((from >> 3) as usize));
    const taken2 = load<u8>(entry2, 13) as i32;
    bits -= (load<u8>(entry1, 13) as i32) + taken2;
    let pair = window >> (bits - from);
    const word2 = pair as u32;
    const word1 = (pair >> taken2) as u32;
    store<u32>(target, load<u32>(entry1) + (word1 & load<u32>(entry1, 4)));
    store<u32>(target, load<u32>(entry2) + (word2 & load<u32>(entry2, 4)), 4);
    from = (bits - 2 * narrowBitsMax) & ~7;
    window = load<u64>(body + ((from >> 3) as usize));
    entry1 = nextEntry(table, entry1, word1);
    entry2 = nextEntry(table, entry2, word2);
    const taken0 = load<u8>(entry0, 13) as i32;
    bits -= (load<u8>(entry3, 13) as i32) + taken0;
    pair = window >> (bits - from);
    const word0 = pair as u32;
    const word3 = (pair >> taken0) as u32;
    store<u32>(target, load<u32>(entry3) + (word3 & load<u32>(entry3, 4)), 8);
    store<u32>(target, load<u32>(entry0) + (word0 & load<u32>(entry0, 4)), 12);
    entry3 = nextEntry(table, entry3, word3);
    entry0 = nextEntry(table, entry0, word0);
  }
  return readRest(body, bits, entry0, entry1, entry2, entry3, target, end, table);
}

/** The four states above the bits that numbers take. */
@inline
function statesOf(body: usize, bits: i32): u64 {
  const at = body + ((bits >> 3) as usize);
  return load<u64>(at) >> (bits & 7);
}

/** Decodes numbers of any size to u64. */
function readWide(body: usize, bits: i32, count: i32, stateBits: i32, target: usize, table: usize): bool {
  const word = statesOf(body, bits);
  const mask = ((1 as u64) << stateBits) - 1;
  let entry0 = table + (((word & mask) as usize) << 4);
  let entry1 = table + ((((word >> stateBits) & mask) as usize) << 4);
  let entry2 = table + ((((word >> (2 * stateBits)) & mask) as usize) << 4);
  let entry3 = table + ((((word >> (3 * stateBits)) & mask) as usize) << 4);
  for (const end = target + ((count as usize) << 3); target < end; target += 8) {
    bits -= load<u8>(entry1, 13) as i32;
    if (bits < 0) return false;
    const pair = load<u64>(body + ((bits >> 3) as usize)) >> (bits & 7);
    const extra = load<u8>(entry1, 12) as i32;
    const lowest = load<u32>(entry1) as u64;
    store<u64>(target, (lowest << extra) + (pair & (((1 as u64) << extra) - 1)));
    const next = table + (((load<u16>(entry1, 8) as u32) + (((pair >> extra) as u32) & (load<u16>(entry1, 10) as u32))) << 4);
    entry1 = entry2;
    entry2 = entry3;
    entry3 = entry0;
    entry0 = next;
  }
  return bits == 0 && entry0 == table && entry1 == table && entry2 == table && entry3 == table;
}
