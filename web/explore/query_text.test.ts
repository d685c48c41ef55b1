// Colours and completion of unfinished queries.
import assert from "node:assert/strict";
import { test } from "node:test";
import { completionContext, metricNames, tokenizeQuery } from "./query_text.ts";

const queries: readonly { text: string; kinds: string; metrics: string[] }[] = [
  { text: "up", kinds: "name:up", metrics: ["up"] },
  { text: 'sum by (job) (rate(http_total{code=~"5.."}[5m]))', kinds: 'function:sum keyword:by label:job function:rate name:http_total label:code string:"5.." number:5m', metrics: ["http_total"] },
  { text: "a and on(x) b # c", kinds: "name:a keyword:and keyword:on label:x name:b comment:# c", metrics: ["a", "b"] },
  { text: '{__name__="x.y",a="b"} * 1e3', kinds: 'label:__name__ string:"x.y" label:a string:"b" number:1e3', metrics: ["x.y"] },
  { text: 'f("unfinished', kinds: 'function:f string:"unfinished', metrics: [] },
  { text: "count(a) by (b) + c", kinds: "function:count name:a keyword:by label:b name:c", metrics: ["a", "c"] },
];
for (const { text, kinds, metrics } of queries) {
  test(`tokens: ${text}`, () => {
    const tokens = tokenizeQuery(text);
    assert.equal(tokens.map((token) => token.text).join(""), text);
    assert.equal(tokens.filter((token) => token.kind !== "operator" && token.kind !== "space").map((token) => `${token.kind}:${token.text}`).join(" "), kinds);
    assert.deepEqual(metricNames(text), metrics);
  });
}

// The caret stands at |.
const contexts: readonly { at: string; expected: string | undefined }[] = [
  { at: "no|", expected: "metric no" },
  { at: "|", expected: "metric " },
  { at: "sum(rate(no|))", expected: "metric no" },
  { at: "a + |", expected: "metric " },
  { at: "a{|", expected: "label  of a" },
  { at: 'a{b="c", d|}', expected: "label d of a" },
  { at: 'a{b="c" d|}', expected: undefined },
  { at: "{jo|}", expected: "label jo of undefined" },
  { at: "sum by (jo|) (a)", expected: "label jo of a" },
  { at: "sum(a) by (x, |)", expected: "label  of a" },
  { at: 'a{b="|', expected: "value  of b of a" },
  { at: 'a{b=~"x|"}', expected: "value x of b of a" },
  { at: 'a{b="c"|}', expected: undefined },
  { at: 'label_replace(a, "|', expected: undefined },
  { at: "a[5|", expected: undefined },
  { at: "a[|", expected: undefined },
  { at: "1|", expected: undefined },
  { at: "a # b|", expected: undefined },
  { at: "a{b=|", expected: undefined },
];
for (const { at, expected } of contexts) {
  test(`completion: ${at}`, () => {
    const caret = at.indexOf("|");
    const context = completionContext(at.replace("|", ""), caret);
    const parts = context && [`${context.kind} ${context.prefix}`, ...(context.kind === "value" ? [context.label] : []), ...("metric" in context ? [String(context.metric)] : [])];
    assert.equal(parts?.join(" of "), expected);
    if (context !== undefined) assert.equal(context.from + context.prefix.length, caret);
  });
}

test("tokens: random text is cut without loss or hang", () => {
  let state = 11;
  const random = (size: number): number => (state = (state * 48271) % 2147483647) % size;
  const alphabet = "ab_1.5\"'`{}()[],=~!<># \n\\";
  for (let i = 0; i < 2000; i++) {
    const text = Array.from({ length: random(40) }, () => alphabet[random(alphabet.length)]).join("");
    assert.equal(tokenizeQuery(text).map((token) => token.text).join(""), text);
    completionContext(text, random(text.length + 1));
  }
});
