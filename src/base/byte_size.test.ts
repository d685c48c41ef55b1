/** Sizes are read in both unit families, printed in one, and everything else is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseByteSize, printByteSize } from "./byte_size.ts";

const rows: { text: string; sizeBytes: number | undefined; printed?: string }[] = [
  { text: "0", sizeBytes: 0, printed: "0" },
  { text: "33554432", sizeBytes: 33554432, printed: "32MiB" },
  { text: "32MB", sizeBytes: 32_000_000, printed: "31250KiB" },
  { text: "32MiB", sizeBytes: 33554432, printed: "32MiB" },
  { text: "1.5KiB", sizeBytes: 1536, printed: "1536" },
  { text: "2 G", sizeBytes: 2 * 1024 ** 3, printed: "2GiB" },
  { text: "1TB", sizeBytes: 1e12, printed: "976562500KiB" },
  { text: "", sizeBytes: undefined },
  { text: "-1", sizeBytes: undefined },
  { text: "32 megabytes", sizeBytes: undefined },
  { text: "1e6", sizeBytes: undefined },
  { text: "99999999TiB", sizeBytes: undefined },
];

for (const row of rows) {
  test(`byte size: "${row.text}"`, () => {
    assert.equal(parseByteSize(row.text), row.sizeBytes);
    if (row.sizeBytes !== undefined) assert.equal(printByteSize(row.sizeBytes), row.printed);
  });
}
