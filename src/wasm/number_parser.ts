// Decimal text to float64, exactly rounded. Up to 19 digits are gathered in an integer; then
//   - an integer below 2^53 and a power of ten up to 10^22 are exact doubles: one multiplication or division is exact;
//   - otherwise the 128-bit product with a power of five gives the bits (Lemire, "Number parsing at a gigabyte per second").
// What neither decides (more than 19 digits in a row of bad luck, exponents outside the table, subnormals) is left to the
// caller: numberIsExact is false, and JavaScript's Number() reads the text again.

/** Powers of five from 5^-80 to 5^47: the upper 128 bits, high half first. Checked against big integers in the test. */
const powersOfFive: usize = memory.data<u64>([
  0x97c560ba6b0919a5, 0xdccd879fc967d41a, 0xbdb6b8e905cb600f, 0x5400e987bbc1c920, 0xed246723473e3813, 0x290123e9aab23b68,
  0x9436c0760c86e30b, 0xf9a0b6720aaf6521, 0xb94470938fa89bce, 0xf808e40e8d5b3e69, 0xe7958cb87392c2c2, 0xb60b1d1230b20e04,
  0x90bd77f3483bb9b9, 0xb1c6f22b5e6f48c2, 0xb4ecd5f01a4aa828, 0x1e38aeb6360b1af3, 0xe2280b6c20dd5232, 0x25c6da63c38de1b0,
  0x8d590723948a535f, 0x579c487e5a38ad0e, 0xb0af48ec79ace837, 0x2d835a9df0c6d851, 0xdcdb1b2798182244, 0xf8e431456cf88e65,
  0x8a08f0f8bf0f156b, 0x1b8e9ecb641b58ff, 0xac8b2d36eed2dac5, 0xe272467e3d222f3f, 0xd7adf884aa879177, 0x5b0ed81dcc6abb0f,
  0x86ccbb52ea94baea, 0x98e947129fc2b4e9, 0xa87fea27a539e9a5, 0x3f2398d747b36224, 0xd29fe4b18e88640e, 0x8eec7f0d19a03aad,
  0x83a3eeeef9153e89, 0x1953cf68300424ac, 0xa48ceaaab75a8e2b, 0x5fa8c3423c052dd7, 0xcdb02555653131b6, 0x3792f412cb06794d,
  0x808e17555f3ebf11, 0xe2bbd88bbee40bd0, 0xa0b19d2ab70e6ed6, 0x5b6aceaeae9d0ec4, 0xc8de047564d20a8b, 0xf245825a5a445275,
  0xfb158592be068d2e, 0xeed6e2f0f0d56712, 0x9ced737bb6c4183d, 0x55464dd69685606b, 0xc428d05aa4751e4c, 0xaa97e14c3c26b886,
  0xf53304714d9265df, 0xd53dd99f4b3066a8, 0x993fe2c6d07b7fab, 0xe546a8038efe4029, 0xbf8fdb78849a5f96, 0xde98520472bdd033,
  0xef73d256a5c0f77c, 0x963e66858f6d4440, 0x95a8637627989aad, 0xdde7001379a44aa8, 0xbb127c53b17ec159, 0x5560c018580d5d52,
  0xe9d71b689dde71af, 0xaab8f01e6e10b4a6, 0x9226712162ab070d, 0xcab3961304ca70e8, 0xb6b00d69bb55c8d1, 0x3d607b97c5fd0d22,
  0xe45c10c42a2b3b05, 0x8cb89a7db77c506a, 0x8eb98a7a9a5b04e3, 0x77f3608e92adb242, 0xb267ed1940f1c61c, 0x55f038b237591ed3,
  0xdf01e85f912e37a3, 0x6b6c46dec52f6688, 0x8b61313bbabce2c6, 0x2323ac4b3b3da015, 0xae397d8aa96c1b77, 0xabec975e0a0d081a,
  0xd9c7dced53c72255, 0x96e7bd358c904a21, 0x881cea14545c7575, 0x7e50d64177da2e54, 0xaa242499697392d2, 0xdde50bd1d5d0b9e9,
  0xd4ad2dbfc3d07787, 0x955e4ec64b44e864, 0x84ec3c97da624ab4, 0xbd5af13bef0b113e, 0xa6274bbdd0fadd61, 0xecb1ad8aeacdd58e,
  0xcfb11ead453994ba, 0x67de18eda5814af2, 0x81ceb32c4b43fcf4, 0x80eacf948770ced7, 0xa2425ff75e14fc31, 0xa1258379a94d028d,
  0xcad2f7f5359a3b3e, 0x096ee45813a04330, 0xfd87b5f28300ca0d, 0x8bca9d6e188853fc, 0x9e74d1b791e07e48, 0x775ea264cf55347e,
  0xc612062576589dda, 0x95364afe032a819e, 0xf79687aed3eec551, 0x3a83ddbd83f52205, 0x9abe14cd44753b52, 0xc4926a9672793543,
  0xc16d9a0095928a27, 0x75b7053c0f178294, 0xf1c90080baf72cb1, 0x5324c68b12dd6339, 0x971da05074da7bee, 0xd3f6fc16ebca5e04,
  0xbce5086492111aea, 0x88f4bb1ca6bcf585, 0xec1e4a7db69561a5, 0x2b31e9e3d06c32e6, 0x9392ee8e921d5d07, 0x3aff322e62439fd0,
  0xb877aa3236a4b449, 0x09befeb9fad487c3, 0xe69594bec44de15b, 0x4c2ebe687989a9b4, 0x901d7cf73ab0acd9, 0x0f9d37014bf60a11,
  0xb424dc35095cd80f, 0x538484c19ef38c95, 0xe12e13424bb40e13, 0x2865a5f206b06fba, 0x8cbccc096f5088cb, 0xf93f87b7442e45d4,
  0xafebff0bcb24aafe, 0xf78f69a51539d749, 0xdbe6fecebdedd5be, 0xb573440e5a884d1c, 0x89705f4136b4a597, 0x31680a88f8953031,
  0xabcc77118461cefc, 0xfdc20d2b36ba7c3e, 0xd6bf94d5e57a42bc, 0x3d32907604691b4d, 0x8637bd05af6c69b5, 0xa63f9a49c2c1b110,
  0xa7c5ac471b478423, 0x0fcf80dc33721d54, 0xd1b71758e219652b, 0xd3c36113404ea4a9, 0x83126e978d4fdf3b, 0x645a1cac083126ea,
  0xa3d70a3d70a3d70a, 0x3d70a3d70a3d70a4, 0xcccccccccccccccc, 0xcccccccccccccccd, 0x8000000000000000, 0x0000000000000000,
  0xa000000000000000, 0x0000000000000000, 0xc800000000000000, 0x0000000000000000, 0xfa00000000000000, 0x0000000000000000,
  0x9c40000000000000, 0x0000000000000000, 0xc350000000000000, 0x0000000000000000, 0xf424000000000000, 0x0000000000000000,
  0x9896800000000000, 0x0000000000000000, 0xbebc200000000000, 0x0000000000000000, 0xee6b280000000000, 0x0000000000000000,
  0x9502f90000000000, 0x0000000000000000, 0xba43b74000000000, 0x0000000000000000, 0xe8d4a51000000000, 0x0000000000000000,
  0x9184e72a00000000, 0x0000000000000000, 0xb5e620f480000000, 0x0000000000000000, 0xe35fa931a0000000, 0x0000000000000000,
  0x8e1bc9bf04000000, 0x0000000000000000, 0xb1a2bc2ec5000000, 0x0000000000000000, 0xde0b6b3a76400000, 0x0000000000000000,
  0x8ac7230489e80000, 0x0000000000000000, 0xad78ebc5ac620000, 0x0000000000000000, 0xd8d726b7177a8000, 0x0000000000000000,
  0x878678326eac9000, 0x0000000000000000, 0xa968163f0a57b400, 0x0000000000000000, 0xd3c21bcecceda100, 0x0000000000000000,
  0x84595161401484a0, 0x0000000000000000, 0xa56fa5b99019a5c8, 0x0000000000000000, 0xcecb8f27f4200f3a, 0x0000000000000000,
  0x813f3978f8940984, 0x4000000000000000, 0xa18f07d736b90be5, 0x5000000000000000, 0xc9f2c9cd04674ede, 0xa400000000000000,
  0xfc6f7c4045812296, 0x4d00000000000000, 0x9dc5ada82b70b59d, 0xf020000000000000, 0xc5371912364ce305, 0x6c28000000000000,
  0xf684df56c3e01bc6, 0xc732000000000000, 0x9a130b963a6c115c, 0x3c7f400000000000, 0xc097ce7bc90715b3, 0x4b9f100000000000,
  0xf0bdc21abb48db20, 0x1e86d40000000000, 0x96769950b50d88f4, 0x1314448000000000, 0xbc143fa4e250eb31, 0x17d955a000000000,
  0xeb194f8e1ae525fd, 0x5dcfab0800000000, 0x92efd1b8d0cf37be, 0x5aa1cae500000000, 0xb7abc627050305ad, 0xf14a3d9e40000000,
  0xe596b7b0c643c719, 0x6d9ccd05d0000000, 0x8f7e32ce7bea5c6f, 0xe4820023a2000000, 0xb35dbf821ae4f38b, 0xdda2802c8a800000,
  0xe0352f62a19e306e, 0xd50b2037ad200000, 0x8c213d9da502de45, 0x4526f422cc340000,
]);
const powerMin: i32 = -80;
const powerMax: i32 = 47;

/** 10^0 to 10^22, exact. */
const powersOfTen: usize = memory.data<f64>([
  1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
]);

// What scanNumber found.
let mantissa: u64 = 0;
let exponent: i32 = 0;
let negative: bool = false;
let truncated: bool = false;
/** NaN or an infinity was spelled out: its value, sign included; otherwise 0. */
let special: f64 = 0;

/** False when the last value of parseNumber must be read again by other means. */
export let numberIsExact: bool = true;
/** The last value of parseNumber. */
export let numberValue: f64 = 0;

/** Whether the word (in small letters) stands at `pointer`, in any case. */
@inline function hasWord(pointer: usize, end: usize, word: u32, size: usize): bool {
  const mask = (0xffffffff as u32) >>> (32 - ((size as u32) << 3));
  return end - pointer >= size && ((load<u32>(pointer) | 0x20202020) & mask) == (word & mask);
}

/** Reads `inf`, `infinity` or `nan`, sign already read. The address behind it, or 0. */
function scanWord(pointer: usize, end: usize): usize {
  if (hasWord(pointer, end, 0x006e616e, 3)) {
    special = NaN;
    return pointer + 3;
  }
  if (!hasWord(pointer, end, 0x00666e69, 3)) return 0;
  special = negative ? -Infinity : Infinity;
  return hasWord(pointer + 3, end, 0x74696e69, 4) && end - pointer >= 8 && (load<u8>(pointer, 7) | 0x20) == 0x79 ? pointer + 8 : pointer + 3;
}

/** Reads `[+-] digits [. digits] [e [+-] digits]` or a word. The address behind it, or 0 when there is no number. */
function scanNumber(pointer: usize, end: usize): usize {
  negative = false;
  truncated = false;
  special = 0;
  if (pointer < end) {
    const sign = load<u8>(pointer);
    negative = sign == 0x2d;
    if (negative || sign == 0x2b) pointer++;
  }
  let digits: u64 = 0;
  let power: i32 = 0;
  const start = pointer;
  let digit: u32 = 0;
  while (pointer < end && (digit = (load<u8>(pointer) as u32) - 0x30) < 10) {
    if (digits < 1000000000000000000) digits = digits * 10 + (digit as u64);
    else {
      truncated = truncated || digit != 0;
      power++;
    }
    pointer++;
  }
  let digitCount = pointer - start;
  if (pointer < end && load<u8>(pointer) == 0x2e) {
    const fraction = ++pointer;
    while (pointer < end && (digit = (load<u8>(pointer) as u32) - 0x30) < 10) {
      if (digits < 1000000000000000000) {
        digits = digits * 10 + (digit as u64);
        power--;
      } else truncated = truncated || digit != 0;
      pointer++;
    }
    digitCount += pointer - fraction;
  }
  if (digitCount == 0) return pointer == start ? scanWord(pointer, end) : 0;
  if (pointer < end && (load<u8>(pointer) | 0x20) == 0x65) {
    let at = pointer + 1;
    let minus = false;
    if (at < end && (load<u8>(at) == 0x2d || load<u8>(at) == 0x2b)) minus = load<u8>(at++) == 0x2d;
    if (at >= end || (load<u8>(at) as u32) - 0x30 >= 10) return 0;
    let written: i32 = 0;
    while (at < end && (digit = (load<u8>(at) as u32) - 0x30) < 10) {
      if (written < 100000) written = written * 10 + (digit as i32);
      at++;
    }
    power += minus ? -written : written;
    pointer = at;
  }
  mantissa = digits;
  exponent = power;
  return pointer;
}

// The product of multiplyWide.
let productHigh: u64 = 0;
let productLow: u64 = 0;

@inline function multiplyWide(a: u64, b: u64): void {
  const aLow = a & 0xffffffff, aHigh = a >> 32;
  const bLow = b & 0xffffffff, bHigh = b >> 32;
  const low = aLow * bLow;
  const middle = aHigh * bLow + (low >> 32);
  const cross = aLow * bHigh + (middle & 0xffffffff);
  productHigh = aHigh * bHigh + (middle >> 32) + (cross >> 32);
  productLow = (cross << 32) | (low & 0xffffffff);
}

/** The bits of the double nearest to digits * 10^power (digits not 0), or ~0 when this method does not decide. */
function roundByProduct(digits: u64, power: i32): u64 {
  const undecided: u64 = ~0;
  if (power < powerMin || power > powerMax) return undecided;
  const shift = clz(digits) as i32;
  digits <<= shift as u64;
  const entry = powersOfFive + ((power - powerMin) << 4);
  multiplyWide(digits, load<u64>(entry));
  let high = productHigh;
  let low = productLow;
  if ((high & 0x1ff) == 0x1ff) {
    multiplyWide(digits, load<u64>(entry, 8));
    low += productHigh;
    if (productHigh > low) high++;
  }
  if (low == ~(0 as u64) && (power < -27 || power > 55)) return undecided;
  const upper = (high >> 63) as i32;
  const drop = (upper + 9) as u64;
  let bits = high >> drop;
  let binary = ((217706 * power) >> 16) + 63 + upper - shift + 1023;
  if (binary <= 0 || binary >= 2046) return undecided;
  // Half-way between two doubles: to the even one.
  if (low <= 1 && power >= -4 && power <= 23 && (bits & 3) == 1 && (bits << drop) == high) bits &= ~(1 as u64);
  bits = (bits + (bits & 1)) >> 1;
  if (bits >= (2 as u64) << 52) {
    bits = (1 as u64) << 52;
    binary++;
  }
  return (bits & 0x000fffffffffffff) | ((binary as u64) << 52);
}

/** Value of the number just scanned times 10^`scale`. */
@inline function convertScanned(scale: i32): void {
  numberIsExact = true;
  if (special != 0) { // NaN is not equal to 0 either
    numberValue = special;
    return;
  }
  const power = exponent + scale;
  let value: f64 = 0;
  if (mantissa <= 9007199254740992 && power >= -22 && power <= 22 && !truncated) {
    value = mantissa as f64;
    value = power < 0 ? value / load<f64>(powersOfTen - ((power as usize) << 3)) : value * load<f64>(powersOfTen + ((power as usize) << 3));
  } else if (mantissa != 0) {
    const bits = roundByProduct(mantissa, power);
    value = reinterpret<f64>(bits);
    numberIsExact = bits != ~(0 as u64) && (!truncated || roundByProduct(mantissa + 1, power) == bits);
  }
  numberValue = negative ? -value : value;
}

/** Reads a number into numberValue and numberIsExact; the address behind it, or 0 when there is none. */
export function parseNumber(pointer: usize, end: usize): usize {
  const next = scanNumber(pointer, end);
  if (next != 0) convertScanned(0);
  return next;
}

@inline const unitAuto: u32 = 0;
@inline const unitSeconds: u32 = 2;

/** As convertScanned, but off by a few units in the last place where that does not decide: enough for a timestamp. */
function approximateScanned(scale: i32): void {
  convertScanned(scale);
  if (numberIsExact) return;
  let power = max(-400, min(400, exponent + scale));
  let value = mantissa as f64;
  for (; power >= 22; power -= 22) value *= 1e22;
  for (; power <= -22; power += 22) value /= 1e22;
  value = power < 0 ? value / load<f64>(powersOfTen - ((power as usize) << 3)) : value * load<f64>(powersOfTen + ((power as usize) << 3));
  numberValue = negative ? -value : value;
}

/**
 * Reads a timestamp into numberValue as whole milliseconds, rounded down; the address behind it, or 0 when there is none.
 * `unit` is one of timestampUnit in kernel/label_run.ts.
 */
export function parseTimestamp(pointer: usize, end: usize, unit: u32): usize {
  const next = scanNumber(pointer, end);
  if (next == 0 || special != 0) return 0;
  approximateScanned(unit == unitSeconds ? 3 : 0);
  // Seconds are scaled before they are rounded to a double: 1520879607.789 s are 1520879607789 ms.
  if (unit == unitAuto && numberValue >= -2147483648.0 && numberValue < 2147483648.0) approximateScanned(3);
  if (!isFinite(numberValue)) return 0;
  numberValue = Math.floor(numberValue) + 0.0;
  return next;
}
