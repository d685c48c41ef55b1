// The WebAssembly module has no mutable static data. Several threads run instances of it on one shared memory, and every instantiation
// writes the data segments again: a buffer or a variable among them would be shared and reset behind the back of its users. Shown twice:
// in the sources (only constant tables take static memory) and in the binary (only those tables are there, and they never change).
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { checksumInKernel } from "../src/kernel/checksum.ts";
import { codecScratchBytes, columnKinds, decodeColumn, encodeColumn, encodedSizeMax } from "../src/kernel/codec.ts";
import { createMemory, Kernel } from "../src/kernel/kernel.ts";
import { snappyDecode, snappyTargetSlackBytes } from "../src/kernel/snappy.ts";
import { codeOf, filesUnder, lineAt, root } from "./source_tree.ts";
import { dataSegmentsOf } from "./wasm_module.ts";

const staticBase = 1024;
const pageBytes = 65536;

const forbidden = [
  { name: "a reservation without content", pattern: /\bmemory\.data\((?!\s*\[)/g },
  { name: "a table of unknown content", pattern: /\bmemory\.data<[^>]*>\((?!\s*\[)/g },
  { name: "a table whose address can change", pattern: /\b(let|var)\s+\w+[^=;\n]*=\s*memory\.data\b/g },
  { name: "an object on the heap", pattern: /\bnew\s+[A-Z]\w*/g },
  { name: "a heap allocation", pattern: /\b(heap\.(alloc|realloc|free)|__(new|alloc|renew|pin|collect))\b/g },
  { name: "an array", pattern: /=\s*\[|\bStaticArray\b|\bArray</g },
];

test("sources of the WebAssembly module: constant tables are the only static memory", () => {
  const violations: string[] = [];
  for (const { path, text } of filesUnder("src/wasm", /\.ts$/)) {
    const code = codeOf(text, false);
    for (const { name, pattern } of forbidden) {
      for (const match of code.matchAll(pattern)) violations.push(`${path}:${lineAt(code, match.index)}: ${name}: ${match[0]}`);
    }
    const withoutImports = codeOf(text).replace(/^\s*(?:import|export)[^;]*?from\s*"[^"]*";?|^\s*@external\([^)]*\)|"use [^"]*"/gm, (part) => part.replaceAll(/[^\n]/g, " "));
    for (const match of withoutImports.matchAll(/["'`]/g)) {
      violations.push(`${path}:${lineAt(withoutImports, match.index)}: a string`);
      break;
    }
  }
  assert.deepEqual(violations, []);
});

const modulePath = join(root, "build", "tidemark.wasm");
const skip = existsSync(modulePath) ? false : "build/tidemark.wasm is not built";

/** The module on a memory of its own; `end` is where static data ends. */
function instantiate(memory: WebAssembly.Memory): { exports: WebAssembly.Exports; end: number } {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(modulePath)), { env: { memory } });
  return { exports: instance.exports, end: (instance.exports["heapBase"] as () => number)() >>> 0 };
}

function sharedMemory(): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: 256, maximum: 65536, shared: true });
}

test("binary: it imports nothing but a shared memory", { skip }, () => {
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(readFileSync(modulePath)));
  assert.deepEqual(imports, [{ module: "env", name: "memory", kind: "memory" }]);
  assert.throws(() => instantiate(new WebAssembly.Memory({ initial: 256, maximum: 65536 })), WebAssembly.LinkError);
});

test("binary: constant tables fill the static region", { skip }, () => {
  const { end } = instantiate(sharedMemory());
  const violations: string[] = [];
  let filledTo = staticBase;
  for (const { offset, bytes } of dataSegmentsOf(readFileSync(modulePath)).sort((left, right) => left.offset - right.offset)) {
    if (offset - filledTo >= 16) violations.push(`${offset - filledTo} bytes before address ${offset} are reserved without content`);
    if (bytes.every((byte) => byte === 0)) violations.push(`${bytes.length} bytes at address ${offset} are zero: a buffer rather than a table`);
    filledTo = offset + bytes.length;
  }
  if (end - filledTo >= 16) violations.push(`${end - filledTo} bytes before the end ${end} are reserved without content`);
  assert.deepEqual(violations, []);
});

test("binary: a second instance on the same memory changes nothing", { skip }, () => {
  const memory = sharedMemory();
  const bytes = new Uint8Array(memory.buffer);
  const { end } = instantiate(memory);
  const tables = bytes.slice(0, end);
  bytes.fill(0xa5, end);
  instantiate(memory);
  assert.deepEqual(bytes.slice(0, end), tables);
  assert.ok(bytes.subarray(end).every((byte) => byte === 0xa5), "nothing is written behind the tables");
});

test("binary: kernels that use the tables do not change them", { skip }, () => {
  const kernel = new Kernel(createMemory(1 << 20));
  const tables = kernel.u8.slice(0, kernel.heapBase);
  const count = 500;
  const values = kernel.allocate(count * 8);
  for (let i = 0; i < count; i++) kernel.f64[values / 8 + i] = Math.sin(i) * 1000;
  const scratch = kernel.allocate(codecScratchBytes(kernel));
  const encoded = kernel.allocate(encodedSizeMax(count));
  const size = encodeColumn(kernel, values, count, columnKinds.values, encoded, scratch);
  decodeColumn(kernel, encoded, size, count, values, scratch);
  checksumInKernel(kernel, encoded, size);
  kernel.u8.set([3, 2 << 2, 97, 98, 99], encoded);
  snappyDecode(kernel, encoded, 5, kernel.allocate(3 + snappyTargetSlackBytes));
  assert.deepEqual(kernel.u8.slice(0, kernel.heapBase), tables);
});

test("binary: the static region is small", { skip }, () => {
  assert.ok(instantiate(sharedMemory()).end <= 4 * pageBytes);
});
