// Anchored regular expressions: the conformance cases, agreement with the full RE2 engine on random patterns and texts, what is
// recognised in a pattern, errors, and patterns that ruin backtracking engines.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { RE2JS } from "re2js";
import { InputError } from "../base/errors.ts";
import { seededRandom, type Random } from "../base/random.ts";
import { AnchoredRegexp, compileMatcher } from "./regexp.ts";
import { parseSimpleRegexp } from "./regexp_syntax.ts";

interface ConformanceCase {
  readonly id: string;
  readonly group: string;
  readonly pattern: string;
  readonly input?: string;
  readonly expected?: boolean | string[];
  readonly expected_prefix?: string;
}
const conformance = JSON.parse(readFileSync(new URL("../../conformance/regex.json", import.meta.url), "utf8")) as { cases: ConformanceCase[] };

test("conformance: label matcher regular expressions", () => {
  for (const row of conformance.cases) {
    const where = `${row.id} ${row.pattern} on ${row.input}`;
    switch (row.group) {
      case "prom_match":
        assert.equal(new AnchoredRegexp(row.pattern).test(row.input!), row.expected, where);
        break;
      case "unanchored_match":
        assert.equal(new AnchoredRegexp(`(?s:.*)(?:${row.pattern})(?s:.*)`).test(row.input!), row.expected, where);
        break;
      case "prom_invalid":
        assert.throws(() => new AnchoredRegexp(row.pattern), InputError, where);
        break;
      case "or_values": {
        const literals = new AnchoredRegexp(row.pattern).literals;
        // The cases stop at 100 strings; a larger finite set is fine.
        if ((row.expected as string[]).length > 0) assert.deepEqual(literals, [...new Set(row.expected as string[])].sort(), where);
        else assert.ok(literals === undefined || literals.length > 100, where);
        break;
      }
      case "simplify": {
        if (row.pattern === row.expected_prefix && row.pattern.includes("(")) {
          // Their simplifier leaves what is not a regular expression as it is; a matcher refuses it.
          assert.throws(() => new AnchoredRegexp(row.pattern), InputError, where);
          break;
        }
        const regexp = new AnchoredRegexp(row.pattern);
        assert.ok(regexp.prefixes.every((prefix) => prefix.startsWith(row.expected_prefix!) || prefix === ""), where);
        break;
      }
      default:
        assert.fail(`unknown group ${row.group}`);
    }
  }
});

const shapes: { pattern: string; literals?: string[]; prefixes?: string[]; prefixesSuffice?: boolean; matchesNonEmpty?: boolean; matchesEmpty?: boolean }[] = [
  { pattern: "", literals: [""], prefixes: [""], matchesEmpty: true },
  { pattern: "foo", literals: ["foo"] },
  { pattern: "b|a|b", literals: ["a", "b"] },
  { pattern: "node-(1|2)[ab]?", literals: ["node-1", "node-1a", "node-1b", "node-2", "node-2a", "node-2b"] },
  { pattern: "^(?:foo$|^bar)$", literals: ["bar", "foo"] },
  { pattern: "10\\.0\\.0\\.1:9100", literals: ["10.0.0.1:9100"] },
  { pattern: ".*", prefixes: [""], prefixesSuffice: true, matchesNonEmpty: true, matchesEmpty: true },
  { pattern: ".+", prefixes: [""], prefixesSuffice: false, matchesNonEmpty: true, matchesEmpty: false },
  { pattern: "foo.*", prefixes: ["foo"], prefixesSuffice: true, matchesNonEmpty: false },
  { pattern: "foo.*|foobar.*|a.*", prefixes: ["a", "foo"], prefixesSuffice: true },
  { pattern: "foo.+", prefixes: ["foo"], prefixesSuffice: false },
  { pattern: "(app-11|app-12)-.*x", prefixes: ["app-11-", "app-12-"], prefixesSuffice: false },
  { pattern: "app-[12][a-z0-9]+", prefixes: ["app-1", "app-2"], prefixesSuffice: false },
  { pattern: ".*foo", prefixes: [""], prefixesSuffice: false },
  { pattern: "(foo)?.*", prefixes: [""], prefixesSuffice: true },
  { pattern: "(?i)foo", prefixes: [""] },
];
for (const row of shapes) {
  test(`shape of /${row.pattern}/`, () => {
    const regexp = new AnchoredRegexp(row.pattern);
    assert.deepEqual(regexp.literals, row.literals);
    if (row.prefixes !== undefined) assert.deepEqual(regexp.prefixes, row.prefixes);
    if (row.prefixesSuffice !== undefined) assert.equal(regexp.prefixesSuffice, row.prefixesSuffice);
    if (row.matchesNonEmpty !== undefined) assert.equal(regexp.matchesNonEmpty, row.matchesNonEmpty);
    if (row.matchesEmpty !== undefined) assert.equal(regexp.matchesEmpty, row.matchesEmpty);
  });
}

const invalid = ["fo[bar", "foo(bar", "a**", "a{1001}", "x{2,1}", "[z-a]", "*a", "a)", "\\", "(?=a)", "(?<=a)b", "\\1", "(?P<n>a)(?P<n>b)", "(a{1000}){1000}", "[[:nope:]]", "\\8", "(?P<1a>)("];
for (const pattern of invalid) {
  test(`refused: /${pattern}/`, () => {
    assert.throws(() => new AnchoredRegexp(pattern), (error) => error instanceof InputError && error.code === "bad_regexp" && error.message.includes("cannot parse regexp"));
  });
}

test("a long pattern is not repeated in the message", () => {
  assert.throws(() => new AnchoredRegexp("(" + "a".repeat(100_000)), (error) => error instanceof InputError && error.message.length < 1_000);
});

const pieces = ["a", "b", "ab", "é", "😀", "foo", ".", ".*", ".+", "[ab]", "[^a]", "[a-c]", "\\d", "\\w", "\\S", "\\.", "-", "1", "\n", "^", "$", "(?i)A", "\\b", "[[:alpha:]]", "\\pL", "{", "a{,2}", "[-a]", "[a-]", "(?s:.)", "()"];
const quantifiers = ["*", "+", "?", "{2}", "{1,}", "{0,2}", "*?", "+?", "??", "{1,3}?"];

function randomPattern(random: Random, depth = 0): string {
  let pattern = "";
  for (let count = random.int(4) + (depth === 0 ? 1 : 0); count > 0; count--) {
    const roll = random.int(10);
    if (roll < 6 || depth > 2) pattern += pieces[random.int(pieces.length)];
    else if (roll < 8) pattern += `(${randomPattern(random, depth + 1)})`;
    else pattern += `(?:${randomPattern(random, depth + 1)}|${randomPattern(random, depth + 1)})`;
    if (random.int(3) === 0) pattern += quantifiers[random.int(quantifiers.length)];
    if (random.int(8) === 0) pattern += "|";
  }
  return pattern;
}

function randomText(random: Random): string {
  const parts = ["a", "b", "c", "ab", "foo", "é", "😀", "1", ".", "-", "\n", "A", "_", "{", " "];
  return Array.from({ length: random.int(6) }, () => parts[random.int(parts.length)]).join("");
}

test("random patterns agree with re2js: validity, matches, captures, prefixes, literals", () => {
  const seed = 20_251_121;
  const random = seededRandom(seed);
  let simple = 0;
  let matched = 0;
  for (let round = 0; round < 6_000; round++) {
    const pattern = randomPattern(random);
    let reference: RE2JS | undefined;
    try {
      reference = RE2JS.compile(pattern, RE2JS.DOTALL);
    } catch {
      reference = undefined;
    }
    const where = `seed ${seed} round ${round} pattern ${JSON.stringify(pattern)}`;
    if (reference === undefined) {
      assert.throws(() => new AnchoredRegexp(pattern), InputError, where);
      continue;
    }
    const regexp = new AnchoredRegexp(pattern);
    if (parseSimpleRegexp(pattern) !== undefined) simple++;
    const texts = Array.from({ length: 6 }, () => randomText(random));
    for (const text of [...texts, ...(regexp.literals ?? []).slice(0, 3), ""]) {
      const matcher = reference.matcher(text);
      const expected = matcher.matches();
      const at = `${where} text ${JSON.stringify(text)}`;
      assert.equal(regexp.test(text), expected, at);
      if (expected) {
        matched++;
        assert.ok(regexp.prefixes.some((prefix) => text.startsWith(prefix)), at);
        const groups = Array.from({ length: matcher.groupCount() + 1 }, (_, i) => matcher.group(i) ?? undefined);
        assert.deepEqual([...regexp.exec(text)!], groups, at);
      } else {
        assert.equal(regexp.exec(text), undefined, at);
        assert.ok(!(regexp.prefixesSuffice && regexp.prefixes.some((prefix) => text.startsWith(prefix))), at);
      }
    }
  }
  assert.ok(simple > 1_000 && matched > 3_000, `the generator still makes useful patterns: ${simple} simple, ${matched} matches`);
});

const catastrophic = [
  { pattern: "(a+)+b", text: "a".repeat(5_000) },
  { pattern: "(a|a)*b", text: `${"a".repeat(5_000)}ba` },
  { pattern: "(.*)*x", text: "a".repeat(5_000) },
  { pattern: "(a|aa)+b", text: `${"a".repeat(5_000)}ba` },
  { pattern: `${"a?".repeat(30)}${"a".repeat(30)}`, text: "a".repeat(29) },
  { pattern: `${"(a|ab|b)".repeat(40)}c`, text: "ab".repeat(40) },
  { pattern: ".*.*.*.*.*.*=.*x", text: "=".repeat(5_000) },
  { pattern: "(.*a){12}b", text: "a".repeat(2_000) },
  { pattern: "([a-z]+[0-9]*)*!", text: "abc123".repeat(800) },
  { pattern: "(x+x+)+y", text: "x".repeat(5_000) },
  { pattern: "(?:a|b)*a(?:a|b){16}c", text: `${"ab".repeat(1_000)}cc` },
  { pattern: ".*a.*a.*a.*a.*b", text: "a".repeat(5_000) },
];
for (const { pattern, text } of catastrophic) {
  test(`fast on bad text: /${pattern.slice(0, 40)}/`, () => {
    const startMs = performance.now();
    const regexp = new AnchoredRegexp(pattern);
    assert.equal(regexp.test(text), false);
    assert.equal(regexp.exec(text), undefined);
    const tookMs = performance.now() - startMs;
    assert.ok(tookMs < 1_000, `took ${tookMs.toFixed(0)} ms`);
  });
}

test("20,000 alternatives compile and match quickly", () => {
  const startMs = performance.now();
  const regexp = new AnchoredRegexp(Array.from({ length: 20_000 }, (_, i) => `host-${i}\\.example\\.com`).join("|"));
  assert.equal(regexp.literals?.length, 20_000);
  assert.ok(regexp.test("host-19999.example.com") && !regexp.test("host-20000.example.com"));
  assert.ok(performance.now() - startMs < 1_000);
});

test("deep nesting is refused or matched, not a crash", () => {
  const pattern = "(?:".repeat(50_000) + "a" + ")".repeat(50_000);
  try {
    assert.ok(new AnchoredRegexp(pattern).test("a"));
  } catch (error) {
    assert.ok(error instanceof InputError);
  }
});

test("group names", () => {
  assert.deepEqual(new AnchoredRegexp("(?P<host>.*):(\\d+)").groupNames, ["host", ""]);
  assert.deepEqual(new AnchoredRegexp("(?i)(?P<host>.*):(\\d+)").groupNames, ["host", ""]);
});

const matcherRows = [
  { op: "=", value: "a", text: "a", expected: true },
  { op: "=", value: "", text: "", expected: true },
  { op: "!=", value: "a", text: "", expected: true },
  { op: "!=", value: "", text: "", expected: false },
  { op: "=~", value: "a.*", text: "ab", expected: true },
  { op: "=~", value: "a.*", text: "ba", expected: false },
  { op: "=~", value: "a|", text: "", expected: true },
  { op: "!~", value: "a|", text: "", expected: false },
  { op: "!~", value: "a.b", text: "a\nb", expected: false },
] as const;
for (const row of matcherRows) {
  test(`matcher ${row.op} ${row.value} on ${JSON.stringify(row.text)}`, () => assert.equal(compileMatcher(row.op, row.value)(row.text), row.expected));
}

test("a pattern for the linear engine has a greatest length", () => {
  assert.throws(() => new AnchoredRegexp("(a|b)?".repeat(20_000)), { name: "InputError", code: "bad_regexp", message: /is 120000 characters long; .* at most 65536/ });
  assert.ok(new AnchoredRegexp(Array.from({ length: 20_000 }, (_, i) => `host-${i}`).join("|")).test("host-19999"));
  assert.ok(new AnchoredRegexp("(a|b)?".repeat(1000)).test("ab"));
});
