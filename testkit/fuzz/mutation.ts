/** Damages encodings: as disks, networks and hostile senders do, and as length fields make it worst. */
import type { Random } from "../../src/base/random.ts";

/** Changes that keep the size, so that the checksums of sections can be made right again. */
const inPlace: readonly ((bytes: Uint8Array, random: Random) => void)[] = [
  (bytes, random) => (bytes[random.int(bytes.length)] ^= 1 << random.int(8)),
  (bytes, random) => (bytes[random.int(bytes.length)] = random.int(256)),
  (bytes, random) => (bytes[random.int(bytes.length)] = [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff, 10, 34, 92][random.int(10)]),
  (bytes, random) => bytes.set(extremeNumber(bytes, random), 0 + placeFor(bytes, 10, random)),
  (bytes, random) => {
    const size = 1 + random.int(Math.min(bytes.length, 32));
    bytes.copyWithin(random.int(bytes.length - size + 1), random.int(bytes.length - size + 1), size);
  },
  (bytes, random) => {
    const from = random.int(bytes.length);
    bytes.fill(random.int(2) * 255, from, from + 1 + random.int(16));
  },
  (bytes, random) => {
    const at = random.int(bytes.length);
    for (let i = at; i < Math.min(at + 8, bytes.length); i++) bytes[i] = random.int(256);
  },
];

/** A place for `size` bytes, often near one of the ends, where headers and footers are. */
function placeFor(bytes: Uint8Array, size: number, random: Random): number {
  const room = Math.max(0, bytes.length - size) + 1;
  const kind = random.int(4);
  if (kind === 0) return random.int(Math.min(room, 96));
  if (kind === 1) return room - 1 - random.int(Math.min(room, 96));
  return random.int(room);
}

const extremes = [0, 1, 2, 127, 128, 255, 256, 8191, 8192, 8193, 65535, 65536, 2 ** 21, 2 ** 28, 2 ** 30, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 53, 2 ** 63, -1, -8, 0.5, 1e300, Infinity, NaN];

/** A number that is hard to bear, as u16, u32, u64, f64 or varint; cut where `bytes` is shorter. */
function extremeNumber(bytes: Uint8Array, random: Random): Uint8Array {
  const value = extremes[random.int(extremes.length)];
  const whole = Number.isFinite(value) ? BigInt(Math.trunc(value)) : -1n;
  const out = new DataView(new ArrayBuffer(10));
  let size = 8;
  switch (random.int(5)) {
    case 0:
      size = 2;
      out.setUint16(0, Number(BigInt.asUintN(16, whole)), true);
      break;
    case 1:
      size = 4;
      out.setUint32(0, Number(BigInt.asUintN(32, whole)), true);
      break;
    case 2:
      out.setBigUint64(0, BigInt.asUintN(64, whole), true);
      break;
    case 3:
      out.setFloat64(0, value, true);
      break;
    default: {
      size = 0;
      let rest = BigInt.asUintN(64, whole);
      for (; rest >= 128n; rest >>= 7n) out.setUint8(size++, Number(rest & 127n) | 128);
      out.setUint8(size++, Number(rest));
    }
  }
  return new Uint8Array(out.buffer, 0, Math.min(size, bytes.length));
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function randomBytes(size: number, random: Random): Uint8Array {
  return Uint8Array.from({ length: size }, () => random.int(256));
}

const inputBytesMax = 128 << 10;

/** Changes of the size. `other` is another encoding of the same kind. */
const resizing: readonly ((bytes: Uint8Array, other: Uint8Array, words: readonly string[], random: Random) => Uint8Array)[] = [
  (bytes, _, __, random) => bytes.slice(0, random.int(bytes.length + 1)),
  (bytes, _, __, random) => bytes.slice(random.int(bytes.length + 1)),
  (bytes, _, __, random) => {
    const at = random.int(bytes.length + 1);
    return joined(bytes.subarray(0, at), bytes.subarray(at + 1 + random.int(12)));
  },
  (bytes, _, __, random) => {
    const at = random.int(bytes.length + 1);
    return joined(bytes.subarray(0, at), randomBytes(1 + random.int(12), random), bytes.subarray(at));
  },
  (bytes, _, __, random) => {
    const at = random.int(bytes.length + 1);
    return joined(bytes.subarray(0, at), extremeNumber(new Uint8Array(10), random), bytes.subarray(at + random.int(5)));
  },
  (bytes, other, _, random) => joined(bytes.subarray(0, random.int(bytes.length + 1)), other.subarray(random.int(other.length + 1))),
  (bytes, other, _, random) => {
    const at = random.int(bytes.length + 1);
    const from = random.int(other.length + 1);
    return joined(bytes.subarray(0, at), other.subarray(from, from + random.int(64)), bytes.subarray(at));
  },
  (bytes, _, __, random) => {
    const from = random.int(bytes.length + 1);
    const piece = bytes.subarray(from, from + 1 + random.int(random.int(4) === 0 ? 200 : 12));
    const count = Math.min(1 + random.int(random.int(20) === 0 ? 5000 : 20), Math.floor((inputBytesMax - bytes.length) / Math.max(piece.length, 1)));
    return joined(bytes.subarray(0, from), ...Array.from({ length: Math.max(count, 0) }, () => piece), bytes.subarray(from));
  },
  (bytes, _, words, random) => {
    const at = random.int(bytes.length + 1);
    const word = words.length === 0 ? randomBytes(3, random) : Buffer.from(words[random.int(words.length)]);
    const count = random.int(30) === 0 ? random.int(3000) : 1;
    return joined(bytes.subarray(0, at), ...Array.from({ length: count }, () => word), bytes.subarray(at));
  },
];

/** Damaged bytes of the same size, with the checksums made right again. */
export function damageInPlace(bytes: Uint8Array, seal: (bytes: Uint8Array) => void, random: Random): Uint8Array {
  const damaged = bytes.slice();
  if (damaged.length > 0) for (let change = random.int(4); change >= 0; change--) inPlace[random.int(inPlace.length)](damaged, random);
  seal(damaged);
  return damaged;
}

/** Damaged bytes, or bytes that never were anything. */
export function damage(bytes: Uint8Array, other: Uint8Array, words: readonly string[], random: Random): Uint8Array {
  if (random.int(25) === 0) return randomBytes(random.int(random.int(4) === 0 ? 2000 : 60), random);
  let damaged = bytes.slice();
  for (let change = random.int(random.int(4) === 0 ? 12 : 4); change >= 0; change--) {
    if (damaged.length === 0 || random.int(2) === 0) damaged = resizing[random.int(resizing.length)](damaged, other, words, random).slice(0, inputBytesMax);
    else inPlace[random.int(inPlace.length)](damaged, random);
  }
  return damaged;
}
