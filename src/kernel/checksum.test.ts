// The checksum kernel and its plain twin give published xxHash64 values and agree with the reference on random bytes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../base/random.ts";
import { checksumHexOfBytes, checksumInKernel, checksumOfBytes, storeChecksum64 } from "./checksum.ts";
import { xxh64Reference } from "./checksum_reference.ts";
import { Kernel } from "./kernel.ts";
import { testSeed } from "../../testkit/seed.ts";

/** The test bytes of the xxHash project. */
function sanityBytes(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let generator = 2654435761n;
  for (let i = 0; i < size; i++) {
    bytes[i] = Number(generator >> 56n);
    generator = BigInt.asUintN(64, generator * 11400714785074694797n);
  }
  return bytes;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

const published = [
  { name: "empty", bytes: text(""), seed: 0, hash: "ef46db3751d8e999" },
  { name: "a", bytes: text("a"), seed: 0, hash: "d24ec4f1a98c6e5b" },
  { name: "as", bytes: text("as"), seed: 0, hash: "1c330fb2d66be179" },
  { name: "asd", bytes: text("asd"), seed: 0, hash: "631c37ce72a97393" },
  { name: "asdf", bytes: text("asdf"), seed: 0, hash: "415872f599cea71e" },
  { name: "abc", bytes: text("abc"), seed: 0, hash: "44bc2cf5ad770999" },
  { name: "63 bytes", bytes: text("Call me Ishmael. Some years ago--never mind how long precisely-"), seed: 0, hash: "02a2e85470d6fd96" },
  { name: "sanity 0, seeded", bytes: sanityBytes(0), seed: 2654435761, hash: "ac75fda2929b17ef" },
  { name: "sanity 1", bytes: sanityBytes(1), seed: 0, hash: "e934a84adb052768" },
  { name: "sanity 1, seeded", bytes: sanityBytes(1), seed: 2654435761, hash: "5014607643a9b4c3" },
  { name: "sanity 4", bytes: sanityBytes(4), seed: 0, hash: "9136a0dca57457ee" },
  { name: "sanity 14", bytes: sanityBytes(14), seed: 0, hash: "8282dcc4994e35c8" },
  { name: "sanity 14, seeded", bytes: sanityBytes(14), seed: 2654435761, hash: "c3bd6bf63deb6df0" },
  { name: "sanity 222", bytes: sanityBytes(222), seed: 0, hash: "b641ae8cb691c174" },
  { name: "sanity 222, seeded", bytes: sanityBytes(222), seed: 2654435761, hash: "20cb8ab7ae10c14a" },
];

const kernel = new Kernel();

/** All four ways to the hash of `bytes`, which must agree. */
function allHashes(bytes: Uint8Array, seed: number, misalignment: number): string[] {
  const mark = kernel.mark();
  const target = kernel.allocate(8);
  const pointer = kernel.allocate(bytes.length + 8) + misalignment;
  kernel.u8.set(bytes, pointer);
  storeChecksum64(kernel, pointer, bytes.length, seed, target);
  const wide = new DataView(kernel.memory.buffer).getBigUint64(target, true).toString(16).padStart(16, "0");
  const low = checksumInKernel(kernel, pointer, bytes.length, seed);
  kernel.reset(mark);
  assert.equal(low.toString(16).padStart(8, "0"), wide.slice(8));
  assert.equal(checksumOfBytes(bytes, seed), low);
  return [wide, checksumHexOfBytes(bytes, seed), xxh64Reference(bytes, BigInt(seed)).toString(16).padStart(16, "0")];
}

for (const row of published) {
  test(`xxHash64: ${row.name}`, () => assert.deepEqual(allHashes(row.bytes, row.seed, 0), [row.hash, row.hash, row.hash]));
}

test("kernel and plain twin equal the reference on random bytes of every small size", () => {
  const seed = testSeed();
  const random = seededRandom(seed);
  for (let size = 0; size < 300; size++) {
    const bytes = Uint8Array.from({ length: size }, () => random.int(256));
    const [fast, plain, reference] = allHashes(bytes, random.int(2 ** 32), random.int(8));
    assert.equal(fast, reference, `size ${size}, seed ${seed}`);
    assert.equal(plain, reference, `size ${size}, seed ${seed}`);
  }
});

test("bytes of all ones and zeros carry through every half", () => {
  for (const fill of [0, 255]) {
    for (const size of [1, 7, 8, 31, 32, 33, 1000]) {
      const hashes = allHashes(new Uint8Array(size).fill(fill), 0xffffffff, 1);
      assert.equal(new Set(hashes).size, 1, `fill ${fill}, size ${size}: ${hashes}`);
    }
  }
});
