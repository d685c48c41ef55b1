// What is taken for a command, a flag or a path in a Markdown page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { commandsIn, flagsIn, pathsIn } from "./document.ts";

const fence = "```";
const rows = [
  { name: "inline flag", markdown: "Use `-httpListenAddr=:8428`.", flags: ["httpListenAddr"], commands: [], paths: [] },
  { name: "a dash in prose is no flag", markdown: "a well-known -thing", flags: [], commands: [], paths: [] },
  { name: "flags after --", markdown: "`npm start -- -storageDataPath=x --loggerLevel INFO`", flags: ["storageDataPath", "loggerLevel"], commands: ["start"], paths: [] },
  { name: "options of tools", markdown: "`npm run fuzz -- --target=part --seed=7`", flags: [], commands: ["fuzz"], paths: [] },
  { name: "options of others", markdown: "`npm ci --ignore-scripts` and `node --test x`", flags: [], commands: [], paths: [] },
  {
    name: "code block",
    markdown: `${fence}sh\ncurl -d 'a 1' http://localhost:8428/api/v1/import/prometheus\ncurl 'http://127.0.0.1:8428/api/v1/query?query=up'\nnpm run test:peers\n${fence}\n`,
    flags: [],
    commands: ["test:peers"],
    paths: ["/api/v1/import/prometheus", "/api/v1/query"],
  },
];

for (const row of rows) {
  test(`document: ${row.name}`, () => {
    assert.deepEqual(flagsIn(row.markdown), row.flags);
    assert.deepEqual(commandsIn(row.markdown), row.commands);
    assert.deepEqual(pathsIn(row.markdown), row.paths);
  });
}
