// CSV as spreadsheets read it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { printCsv } from "./csv.ts";
import type { CsvRow } from "./csv.ts";

test("csv: columns, quotes, formulas", () => {
  const rows: CsvRow[] = [
    { labels: { b: 'say "hi", you', __name__: "up" }, timeMs: 1500, value: 1 },
    { labels: { a: "=1+1" }, timeMs: 0, value: -Infinity },
  ];
  assert.equal(printCsv(rows), '__name__,a,b,time,value\r\nup,,"say ""hi"", you",1970-01-01T00:00:01.500Z,1\r\n,\'=1+1,,1970-01-01T00:00:00Z,-Inf\r\n');
});
