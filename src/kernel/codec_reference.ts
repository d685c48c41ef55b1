/**
 * The plain twin of the column codec (src/wasm/codec.ts): the same bytes, written to be read. Integers are bigints, cut to 64
 * bits where the kernel wraps. The layout is drawn in docs/formats/block.md. For tests only: it is some hundred times slower.
 */
import { blockSampleCountMax, codecs, columnKinds, type ColumnKind } from "./codec.ts";
import { decodeEntropyReference, MalformedColumn } from "./codec_entropy_reference.ts";

const transforms = { constant: 0, constantDelta: 1, centre: 2, delta: 3, linear: 4, delta2: 5 } as const;
const formSparse = 8;
const formDivisor = 16;
const formExceptions = 32;
const exponentMax = 15;
const integerLimit = 2.0e15;
const roundingMagic = 6755399441055744;
const knownExceptions = [undefined, 0x7ff0000000000002n, 0x7ff8000000000000n, 0x7ff0000000000000n];

const bits64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const signed64 = (value: bigint): bigint => BigInt.asIntN(64, value);
const absolute = (value: bigint): bigint => (value < 0n ? -value : value);
const zigzag = (value: bigint): bigint => bits64((value << 1n) ^ (value >> 63n));
const unzigzag = (code: bigint): bigint => signed64((code >> 1n) ^ -(code & 1n));
const bitWidth = (value: bigint): number => (value === 0n ? 0 : value.toString(2).length);
/** Bit patterns in the order of the numbers; its own inverse. */
const orderedBits = (bits: bigint): bigint => signed64(bits ^ ((bits >> 63n) & 0x7fffffffffffffffn));

/** Encodes 1 to 8192 doubles as the effort "fast" does. */
export function encodeColumnReference(values: Float64Array, kind: ColumnKind): Uint8Array {
  const patterns = patternsOf(values);
  if (patterns.every((bits) => bits === patterns[0])) return encodeConstant(values[0], patterns[0]);
  const exponent = kind === columnKinds.timestamps ? 0 : findExponent(values);
  if (exponent <= exponentMax) {
    const exceptions = positionsOfExceptions(values, exponent);
    if (exceptions.length <= values.length >> 2) {
      const head = codecs.fastDecimal | (exponent << 4);
      const bytes = encodeIntegers(scaledIntegers(values, exponent, exceptions), patterns, kind, head, exceptions);
      if (bytes.length < values.length * 8) return bytes;
    }
  }
  const bytes = encodeIntegers(patterns.map(orderedBits), patterns, kind, codecs.fastBits, []);
  if (bytes.length <= values.length * 8) return bytes;
  const out: number[] = [codecs.raw];
  for (const bits of patterns) pushUint64(out, bits);
  return Uint8Array.from(out);
}

function patternsOf(values: Float64Array): bigint[] {
  return Array.from(new BigInt64Array(values.slice().buffer));
}

function encodeConstant(value: number, pattern: bigint): Uint8Array {
  const exponent = growExponent(value, 0);
  if (exponent <= exponentMax) {
    const out = [codecs.fastDecimal | (exponent << 4), transforms.constant];
    pushVarint(out, zigzag(BigInt(scaled(value, exponent))));
    if (out.length < 9) return Uint8Array.from(out);
  }
  const out: number[] = [codecs.constant];
  pushUint64(out, pattern);
  return Uint8Array.from(out);
}

/** value * 10^exponent, rounded. Adding and subtracting the constant rounds to an integer (half to even) below 2^51. */
function scaled(value: number, exponent: number): number {
  return value * 10 ** exponent + roundingMagic - roundingMagic;
}

function isExact(value: number, exponent: number): boolean {
  const integer = scaled(value, exponent);
  return Math.abs(integer) < integerLimit && Object.is((integer + 0) / 10 ** exponent, value);
}

function growExponent(value: number, from: number): number {
  for (let exponent = from; exponent <= exponentMax; exponent++) {
    if (isExact(value, exponent)) return exponent;
    if (!(Math.abs(value * 10 ** exponent) < integerLimit)) break;
  }
  return exponentMax + 1;
}

function findExponent(values: Float64Array): number {
  const step = Math.max(values.length >> 5, 1);
  let exponent = 0;
  let tried = 0;
  let failed = 0;
  for (let i = 0; i < values.length; i += step) {
    const value = values[i];
    if (!(Math.abs(value) < integerLimit) || value === 0) continue;
    tried++;
    const grown = growExponent(value, exponent);
    if (grown <= exponentMax) exponent = grown;
    else if (++failed > 2 + (tried >> 2)) return exponentMax + 1;
  }
  return exponent;
}

function positionsOfExceptions(values: Float64Array, exponent: number): number[] {
  const positions: number[] = [];
  for (let i = 0; i < values.length; i++) if (!isExact(values[i], exponent)) positions.push(i);
  return positions;
}

/** The scaled integers; an exception repeats the integer before it, or the first good one. */
function scaledIntegers(values: Float64Array, exponent: number, exceptions: readonly number[]): bigint[] {
  const skipped = new Set(exceptions);
  const firstGood = values.findIndex((_, i) => !skipped.has(i));
  const integers: bigint[] = [];
  for (let i = 0; i < values.length; i++) {
    if (!skipped.has(i)) integers.push(BigInt(scaled(values[i], exponent)));
    else integers.push(i > 0 ? integers[i - 1] : BigInt(scaled(values[firstGood], exponent)));
  }
  return integers;
}

function encodeIntegers(integers: readonly bigint[], patterns: readonly bigint[], kind: ColumnKind, head: number, exceptions: readonly number[]): Uint8Array {
  const isBits = head === codecs.fastBits;
  const divisor = isSteady(integers) ? 1n : isBits ? bitDivisor(integers) : commonDivisor(integers);
  const reduced = integers.map((integer) => (isBits ? signed64(integer - integers[0]) : integer - integers[0]) / divisor);
  const { transform, sparse, centre } = chooseTransform(reduced, kind);
  const hasDivisor = divisor !== 1n;
  const form = transform | (sparse ? formSparse : 0) | (hasDivisor ? formDivisor : 0) | (exceptions.length > 0 ? formExceptions : 0);
  const out = [head, form];
  if (hasDivisor) pushVarint(out, divisor);
  if (exceptions.length > 0) pushExceptions(out, exceptions, patterns);
  pushVarint(out, zigzag(signed64(transform === transforms.centre ? integers[0] + centre * divisor : integers[0])));
  if (transform !== transforms.constant && transform !== transforms.centre) pushVarint(out, zigzag(centre));
  if (transform >= transforms.centre) {
    const codes = residualsOf(reduced, transform, centre).map(zigzag);
    if (sparse) pushSparse(out, codes);
    else pushSequence(out, codes);
  }
  return Uint8Array.from(out);
}

/** Whether all (wrapped) differences between neighbours are equal. */
function isSteady(integers: readonly bigint[]): boolean {
  const step = signed64(integers[1] - integers[0]);
  return integers.every((integer, i) => i === 0 || signed64(integer - integers[i - 1]) === step);
}

function pushExceptions(out: number[], exceptions: readonly number[], patterns: readonly bigint[]): void {
  pushVarint(out, BigInt(exceptions.length));
  let next = 0;
  for (const at of exceptions) {
    const known = Math.max(knownExceptions.indexOf(bits64(patterns[at])), 0);
    pushVarint(out, BigInt(((at - next) << 2) | known));
    if (known === 0) pushUint64(out, patterns[at]);
    next = at + 1;
  }
}

function bitDivisor(integers: readonly bigint[]): bigint {
  let bits = 0n;
  for (const integer of integers) bits |= bits64(integer - integers[0]);
  return bits === 0n ? 1n : bits & -bits;
}

function greatestCommonDivisor(left: bigint, right: bigint): bigint {
  return right === 0n ? left : greatestCommonDivisor(right, left % right);
}

function commonDivisor(integers: readonly bigint[]): bigint {
  let divisor = 0n;
  for (const integer of integers) divisor = greatestCommonDivisor(absolute(integer - integers[0]), divisor);
  return divisor === 0n ? 1n : divisor;
}

function residualsOf(reduced: readonly bigint[], transform: number, centre: bigint): bigint[] {
  if (transform === transforms.centre) return reduced.map((value) => signed64(value - centre));
  if (transform === transforms.delta) return reduced.slice(1).map((value, i) => signed64(value - reduced[i] - centre));
  return reduced.slice(1).map((value, i) => signed64(value - centre * BigInt(i + 1)));
}

/** Median of nine evenly spaced numbers, or of three such medians for long columns, in the precision of doubles. */
function sampledMedian(numbers: readonly bigint[]): bigint {
  const groups = numbers.length < 95 ? 1 : 3;
  const distance = Math.floor((numbers.length * 65536) / (9 * groups));
  const middle = (sampled: number[]): number => sampled.sort((a, b) => a - b)[sampled.length >> 1];
  const ofNine = (group: number): number => middle(Array.from({ length: 9 }, (_, k) => Number(numbers[((group + k * groups) * distance) >> 16])));
  const median = BigInt(middle(Array.from({ length: groups }, (_, group) => ofNine(group))));
  return median >= 2n ** 63n ? 2n ** 63n - 1n : median;
}

interface Choice {
  readonly transform: number;
  readonly sparse: boolean;
  readonly centre: bigint;
}

function chooseTransform(reduced: readonly bigint[], kind: ColumnKind): Choice {
  const deltas = residualsOf(reduced, transforms.delta, 0n);
  if (isSteady(reduced)) {
    return { transform: deltas[0] === 0n ? transforms.constant : transforms.constantDelta, sparse: false, centre: deltas[0] };
  }
  const candidates: [number, bigint][] = [
    [transforms.centre, sampledMedian(reduced.slice(1))],
    [transforms.delta, sampledMedian(deltas)],
  ];
  if (kind === columnKinds.timestamps) {
    const steps = BigInt(reduced.length - 1);
    candidates.push([transforms.linear, (reduced[reduced.length - 1] + (steps >> 1n)) / steps]);
  }
  let best: Choice | undefined;
  let bestBits = Infinity;
  const consider = (bits: number, transform: number, sparse: boolean, centre: bigint): void => {
    if (bits >= bestBits) return;
    bestBits = bits;
    best = { transform, sparse, centre };
  };
  for (const [transform, centre] of candidates) {
    const cost = measureTransform(reduced, transform, centre);
    consider(cost.packedBits, transform, false, centre);
    if (reduced.length >= 16 && cost.nonZero * 4 <= reduced.length) consider(cost.sparseBits, transform, true, centre);
  }
  return best as Choice;
}

/** Estimated bits of a transform; mini-blocks are counted as if they began at multiples of 128 samples. */
function measureTransform(reduced: readonly bigint[], transform: number, centre: bigint): { packedBits: number; sparseBits: number; nonZero: number } {
  const codes = residualsOf(reduced, transform, centre).map(zigzag);
  if (transform !== transforms.centre) codes.unshift(0n);
  let packedBits = 0;
  let all = 0n;
  for (let from = 0; from < codes.length; from += 128) {
    const group = codes.slice(from, from + 128);
    const or = group.reduce((left, right) => left | right, 0n);
    packedBits += bitWidth(or) * group.length;
    all |= or;
  }
  const nonZero = codes.length - codes.slice(1).filter((code) => code === 0n).length;
  const gapWidth = bitWidth(BigInt(Math.floor(codes.length / (nonZero + 1))));
  return { packedBits, sparseBits: nonZero * (bitWidth(all) + gapWidth + 2) + 32, nonZero };
}

function pushSparse(out: number[], codes: readonly bigint[]): void {
  const gaps: bigint[] = [];
  const rest: bigint[] = [];
  let previous = -1;
  for (let i = 0; i < codes.length; i++) {
    if (codes[i] === 0n) continue;
    gaps.push(BigInt(i - previous - 1));
    rest.push(codes[i] - 1n);
    previous = i;
  }
  pushVarint(out, BigInt(rest.length));
  pushSequence(out, gaps);
  pushSequence(out, rest);
}

/** [bit of the output, number] for every number of a mini-block: where its lowest bit goes. */
function bitPosition(i: number, count: number, width: number): { lanes: number; laneBits: number; lane: number; bit: number } {
  if (count < 64) return { lanes: 1, laneBits: 8, lane: 0, bit: i * width };
  const lanes = width <= 32 ? 4 : 2;
  return { lanes, laneBits: 128 / lanes, lane: i % lanes, bit: Math.floor(i / lanes) * width };
}

function packedSize(count: number, width: number): number {
  if (count < 64) return Math.ceil((count * width) / 8);
  const lanes = width <= 32 ? 4 : 2;
  return Math.ceil((Math.ceil(count / lanes) * width) / (128 / lanes)) * 16;
}

/** The byte and the bit in it of bit `bit` of a lane. */
function locate(position: { lanes: number; laneBits: number; lane: number }, bit: number): { byte: number; shift: number } {
  const inWord = bit % position.laneBits;
  const word = Math.floor(bit / position.laneBits) * position.lanes + position.lane;
  return { byte: (word * position.laneBits + inWord) >> 3, shift: inWord & 7 };
}

function pushSequence(out: number[], numbers: readonly bigint[]): void {
  for (let from = 0; from < numbers.length; from += 128) {
    const mini = numbers.slice(from, from + 128);
    const width = bitWidth(mini.reduce((left, right) => left | right, 0n));
    out.push(width);
    const bytes = new Uint8Array(packedSize(mini.length, width));
    for (let i = 0; i < mini.length; i++) {
      const position = bitPosition(i, mini.length, width);
      for (let k = 0; k < width; k++) {
        const { byte, shift } = locate(position, position.bit + k);
        bytes[byte] |= Number((mini[i] >> BigInt(k)) & 1n) << shift;
      }
    }
    out.push(...bytes);
  }
}

function pushVarint(out: number[], value: bigint): void {
  for (; value >= 128n; value >>= 7n) out.push(Number(value & 127n) | 128);
  out.push(Number(value));
}

function pushUint64(out: number[], value: bigint): void {
  for (let shift = 0n; shift < 64n; shift += 8n) out.push(Number((value >> shift) & 255n));
}

class Reader {
  readonly #bytes: Uint8Array;
  position = 0;
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }
  get left(): number {
    return this.#bytes.length - this.position;
  }
  byte(): number {
    if (this.left < 1) throw new MalformedColumn("truncated");
    return this.#bytes[this.position++];
  }
  take(size: number): Uint8Array {
    if (this.left < size) throw new MalformedColumn("truncated");
    this.position += size;
    return this.#bytes.subarray(this.position - size, this.position);
  }
  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return bits64(value);
    }
    throw new MalformedColumn("varint is too long");
  }
  uint64(): bigint {
    let value = 0n;
    for (const byte of this.take(8).toReversed()) value = (value << 8n) | BigInt(byte);
    return value;
  }
  sequence(count: number): bigint[] {
    const numbers: bigint[] = [];
    for (let from = 0; from < count; from += 128) {
      const miniCount = Math.min(count - from, 128);
      const width = this.byte();
      if (width > 64) throw new MalformedColumn("width");
      const bytes = this.take(packedSize(miniCount, width));
      for (let i = 0; i < miniCount; i++) {
        const position = bitPosition(i, miniCount, width);
        let number = 0n;
        for (let k = 0; k < width; k++) {
          const { byte, shift } = locate(position, position.bit + k);
          number |= BigInt((bytes[byte] >> shift) & 1) << BigInt(k);
        }
        numbers.push(number);
      }
    }
    return numbers;
  }
}

/** Decodes a column of `count` doubles; throws MalformedColumn. */
export function decodeColumnReference(bytes: Uint8Array, count: number): Float64Array {
  if (count < 1 || count > blockSampleCountMax) throw new MalformedColumn("count");
  const reader = new Reader(bytes);
  const head = reader.byte();
  const codec = head & 15;
  const patterns = new BigUint64Array(count);
  if (codec === codecs.fastDecimal || codec === codecs.fastBits) decodeFast(reader, head, patterns);
  else if (codec === codecs.compactDecimal || codec === codecs.compactBits || codec === codecs.compactSplit) decodeCompact(reader, head, patterns);
  else if (codec === codecs.constant && head < 16) patterns.fill(reader.uint64());
  else if (codec === codecs.raw && head < 16) for (let i = 0; i < count; i++) patterns[i] = reader.uint64();
  else throw new MalformedColumn("codec");
  if (reader.left !== 0) throw new MalformedColumn("bytes left over");
  return new Float64Array(patterns.buffer);
}

/** Header of a fast or compact column. */
interface ColumnHeader {
  readonly form: number;
  readonly transform: number;
  readonly divisor: bigint;
  readonly exceptions: readonly { at: number; bits: bigint }[];
  readonly base: bigint;
  readonly centre: bigint;
}

function readHeader(reader: Reader, count: number, transformMax: number): ColumnHeader {
  const form = reader.byte();
  const transform = form & 7;
  if (form >> 6 !== 0 || transform > transformMax) throw new MalformedColumn("form");
  const divisor = form & formDivisor ? reader.varint() : 1n;
  if (divisor === 0n) throw new MalformedColumn("divisor");
  const exceptions = form & formExceptions ? readExceptions(reader, count) : [];
  const base = unzigzag(reader.varint());
  const hasCentre = transform !== transforms.constant && transform !== transforms.centre;
  return { form, transform, divisor, exceptions, base, centre: hasCentre ? unzigzag(reader.varint()) : 0n };
}

/** The integers of a column from its residuals, one for each sample. */
function integersOf({ transform, divisor, base, centre }: ColumnHeader, residuals: readonly bigint[]): bigint[] {
  let sum = 0n;
  let delta = centre;
  return residuals.map((residual, i) => {
    if (transform === transforms.delta) sum += i === 0 ? 0n : centre + residual;
    else if (transform === transforms.delta2) sum += i === 0 ? 0n : (delta += residual);
    else sum = centre * BigInt(i) + residual;
    return signed64(base + divisor * sum);
  });
}

function decodeFast(reader: Reader, head: number, patterns: BigUint64Array): void {
  const isBits = (head & 15) === codecs.fastBits;
  if (isBits && head >> 4 !== 0) throw new MalformedColumn("parameter");
  const header = readHeader(reader, patterns.length, transforms.linear);
  writePatterns(header, integersOf(header, readResiduals(reader, header.form, patterns.length)), isBits ? undefined : head >> 4, patterns);
}

/** Integers to bit patterns; with an exponent they are decimals. */
function writePatterns(header: ColumnHeader, integers: readonly bigint[], exponent: number | undefined, patterns: BigUint64Array): void {
  const values = new Float64Array(patterns.buffer);
  integers.forEach((integer, i) => {
    if (exponent === undefined) patterns[i] = bits64(orderedBits(integer));
    else values[i] = Number(integer) / 10 ** exponent;
  });
  for (const { at, bits } of header.exceptions) patterns[at] = bits;
}

function decodeCompact(reader: Reader, head: number, patterns: BigUint64Array): void {
  const codec = head & 15;
  if (codec !== codecs.compactDecimal && head >> 4 !== 0) throw new MalformedColumn("parameter");
  const header = readHeader(reader, patterns.length, transforms.delta2);
  const skipped = header.transform === transforms.centre ? 0 : header.transform === transforms.delta2 ? 2 : 1;
  const residualCount = patterns.length - skipped;
  if (header.transform < transforms.centre || residualCount < 0) throw new MalformedColumn("transform");
  const lows = codec === codecs.compactSplit ? new DataView(reader.take(patterns.length * 4).slice().buffer) : undefined;
  const codes = header.form & formSparse ? readCodedSparse(reader, residualCount) : readCoded(reader.take(reader.left), residualCount);
  const residuals = [...Array.from({ length: skipped }, () => 0n), ...codes.map(unzigzag)];
  const integers = integersOf(header, residuals).map((integer, i) => {
    return lows === undefined ? integer : signed64((integer << 32n) | BigInt(lows.getUint32(i * 4, true)));
  });
  writePatterns(header, integers, codec === codecs.compactDecimal ? head >> 4 : undefined, patterns);
}

/** A coded sequence that fills the bytes. */
function readCoded(bytes: Uint8Array, count: number): bigint[] {
  if (count > 0 && bytes.length > 0 && bytes[0] !== 0) return decodeEntropyReference(bytes, count);
  const reader = new Reader(bytes);
  if (count > 0) reader.byte();
  const numbers = reader.sequence(count);
  if (reader.left > 0) throw new MalformedColumn("bytes left over");
  return numbers;
}

function readCodedSparse(reader: Reader, residualCount: number): bigint[] {
  const k = reader.varint();
  if (k > BigInt(residualCount)) throw new MalformedColumn("sparse count");
  const size = reader.varint();
  if (size > BigInt(reader.left)) throw new MalformedColumn("size of the gaps");
  const gaps = readCoded(reader.take(Number(size)), Number(k));
  return spreadSparse(gaps, readCoded(reader.take(reader.left), Number(k)), residualCount);
}

function readExceptions(reader: Reader, count: number): { at: number; bits: bigint }[] {
  const exceptionCount = reader.varint();
  if (exceptionCount > BigInt(count)) throw new MalformedColumn("exceptions");
  const exceptions: { at: number; bits: bigint }[] = [];
  let next = 0n;
  for (let k = 0n; k < exceptionCount; k++) {
    const word = reader.varint();
    const at = next + (word >> 2n);
    if (at >= BigInt(count)) throw new MalformedColumn("exception position");
    exceptions.push({ at: Number(at), bits: knownExceptions[Number(word & 3n)] ?? reader.uint64() });
    next = at + 1n;
  }
  return exceptions;
}

/** One residual per sample (0 for the first one of deltas and lines, and for transforms that have none). */
function readResiduals(reader: Reader, form: number, count: number): bigint[] {
  const transform = form & 7;
  if (transform <= transforms.constantDelta) return Array.from({ length: count }, () => 0n);
  const residualCount = transform === transforms.centre ? count : count - 1;
  const codes = form & formSparse ? readSparse(reader, residualCount) : reader.sequence(residualCount);
  const residuals = codes.map(unzigzag);
  if (residualCount < count) residuals.unshift(0n);
  return residuals;
}

function readSparse(reader: Reader, residualCount: number): bigint[] {
  const k = reader.varint();
  if (k > BigInt(residualCount)) throw new MalformedColumn("sparse count");
  const gaps = reader.sequence(Number(k));
  return spreadSparse(gaps, reader.sequence(Number(k)), residualCount);
}

/** Residuals from gaps and the residuals minus 1 that stand behind them. */
function spreadSparse(gaps: readonly bigint[], rest: readonly bigint[], residualCount: number): bigint[] {
  const codes = Array.from({ length: residualCount }, () => 0n);
  let position = 0n;
  for (let i = 0; i < gaps.length; i++) {
    position += gaps[i];
    if (position >= BigInt(residualCount)) throw new MalformedColumn("gap");
    codes[Number(position)] = bits64(rest[i] + 1n);
    position++;
  }
  return codes;
}
