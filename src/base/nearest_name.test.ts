/** The nearest name is found for usual slips and left out when nothing is near. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nearestName } from "./nearest_name.ts";

const known = ["httpListenAddr", "storageDataPath", "retentionPeriod", "promscrape.config", "h"];
const rows: { name: string; nearest: string | undefined }[] = [
  { name: "httpListenAdr", nearest: "httpListenAddr" },
  { name: "httplistenaddr", nearest: "httpListenAddr" },
  { name: "retentionPeriods", nearest: "retentionPeriod" },
  { name: "rententionPeriod", nearest: "retentionPeriod" },
  { name: "storageDatapaht", nearest: "storageDataPath" },
  { name: "promscrape.confg", nearest: "promscrape.config" },
  { name: "somethingElseEntirely", nearest: undefined },
];

for (const row of rows) test(`nearest name: ${row.name}`, () => assert.equal(nearestName(row.name, known), row.nearest));
