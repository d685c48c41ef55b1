/** Texts: queries, patterns, configuration files, arguments of requests; and compressed bodies. */
import { Readable } from "node:stream";
import { deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { parseScrapeConfig } from "../../src/agent/scrape_config.ts";
import { parseYamlConfig } from "../../src/agent/yaml_config.ts";
import { parseByteSize } from "../../src/base/byte_size.ts";
import { InputError } from "../../src/base/errors.ts";
import type { Random } from "../../src/base/random.ts";
import { receiveBody } from "../../src/http/body_receiver.ts";
import { ByteBudget } from "../../src/http/byte_budget.ts";
import { parseContentEncoding } from "../../src/http/content_encoding.ts";
import type { Exchange } from "../../src/http/exchange.ts";
import { checkGrid } from "../../src/http/query_grid.ts";
import { RequestArguments } from "../../src/http/request_arguments.ts";
import { enforcedFilters, selectorArgument } from "../../src/http/selector_argument.ts";
import { parseDurationArgument, parseTimeArgument, timeMaxMs } from "../../src/http/time_argument.ts";
import { checkArguments } from "../../src/metricsql/argument_check.ts";
import type { Expr } from "../../src/metricsql/ast.ts";
import { durationMs, parseDuration } from "../../src/metricsql/duration.ts";
import { durationLengthMs } from "../../src/metricsql/duration_formula.ts";
import { optimizeExpr } from "../../src/metricsql/filter_pushdown.ts";
import { parseNumber } from "../../src/metricsql/number.ts";
import { parseExpr, parseSelector } from "../../src/metricsql/parser.ts";
import { prettifyExpr } from "../../src/metricsql/prettifier.ts";
import { printExpr } from "../../src/metricsql/printer.ts";
import { checkPromql, promqlType } from "../../src/metricsql/promql_check.ts";
import { randomExpr } from "../../src/metricsql/random_expr.ts";
import { randomPromql } from "../../src/metricsql/random_promql.ts";
import { visitExpr } from "../../src/metricsql/visit.ts";
import { labelsOf } from "../../src/model/labels.ts";
import { AnchoredRegexp } from "../../src/model/regexp.ts";
import { ConfigProblems } from "../../src/pipeline/config_value.ts";
import { relabelRulesField } from "../../src/pipeline/relabel_config.ts";
import { labelMapOf } from "../../src/pipeline/relabel_rules.ts";
import { expect } from "./expectation.ts";
import type { FuzzSeed, FuzzTarget } from "./fuzz_target.ts";

const nowMs = 1_700_000_000_000;

function textOf(input: Uint8Array): string {
  return Buffer.from(input).toString("utf8");
}

function textSeed(text: string): FuzzSeed {
  return { bytes: Buffer.from(text) };
}

function oneOf<T>(random: Random, list: readonly T[]): T {
  return list[random.int(list.length)];
}

// ---- MetricsQL -------------------------------------------------------------------------------------------------------------

const queryWords = [
  "(", ")", "{", "}", "[", "]", ",", "+", "-", "^", "==", "!=", "=~", "!~", " or ", " and ", " by (", " on (", " group_left (", "offset ", "@ ", "5m", "1i", "-1h30m", "$__interval", "WITH (",
  " = ", "f(x) = x + x", "f(f(f(a)))", "sum(", "rate(", "quantile_over_time(", "topk(", "union(", "label_set(", "limit 1", "keep_metric_names", '"', "'", "`", "\\", "\\x", "\\u{1}", "#\n", "1e999",
  "0x1F", "1_0", "inf", "nan", "{__name__=~\"a.*\"}", "default", "bool ", "if ", "ifnot ", "\u{1f600}", "\u0000", "~",
];

/** Whatever is accepted can be printed, read again, simplified and checked. */
function runQuery(input: Uint8Array): void {
  const expr = parseExpr(textOf(input));
  // Printing once more may change the sign before an infinity, then no more.
  const printed = printExpr(parseExpr(printExpr(expr)));
  expect(printExpr(parseExpr(printed)) === printed, `${printed} is printed otherwise after it was read`);
  printExpr(optimizeExpr(expr));
  prettifyExpr(expr);
  inputErrorOf(() => checkArguments(expr)); // trees of the generator have any number of arguments
}

const querySeeds = [
  "WITH (x(a, b) = a + b * 2, y = {job=~\"a|b\"}) sum(rate(x(m{y}, 5)[5m:30s] offset 1h)) by (job) limit 10",
  "histogram_quantile(0.99, sum(rate(http_request_duration_seconds_bucket{job=\"api\"}[5m])) by (le, vmrange)) > bool 0.5",
  "a{b=\"c\" or d!~\"e.*\"} / on (x) group_left (y) prefix \"p_\" z @ end() keep_metric_names",
];

// ---- PromQL ----------------------------------------------------------------------------------------------------------------

const promqlWords = [
  "(", ")", "{", "}", "[", "]", ",", ":", "+", "-", "^", "==", "</", ">/", "=~", " or ", " by (", " on (", " group_left (", "offset ", "@ ", "5m", "[5m]", "[5m:]", "[step()*", "max_of(", "range()",
  "anchored", "smoothed", "fill(", "bool ", "sum(", "rate(", "info(", "topk(", '"', "'", "`", "\\", "\\x", "\\377", "\\u00e9", "#\n", "1e999", "0x1F", "1_0", "089", "inf", "nan", "start()", "1h1m1s", "9y", "\u{1f600}",
];

/** Whatever is accepted is printed to the same text again, has a type, and durations that are whole numbers or refused. */
function runPromql(input: Uint8Array): void {
  const dialect = "promql";
  const expr = parseExpr(textOf(input), { dialect });
  const printed = printExpr(expr, { dialect });
  expect(printExpr(parseExpr(printed, { dialect }), { dialect }) === printed, `${printed} is printed otherwise after it was read`);
  parseExpr(prettifyExpr(expr, { dialect }), { dialect });
  promqlType(expr);
  visitExpr(expr, checkDurations);
  inputErrorOf(() => checkPromql(expr));
}

function checkDurations(node: Expr): void {
  if (node.kind !== "rollup") return;
  for (const duration of [node.window, node.step, node.offset]) {
    if (duration === undefined) continue;
    inputErrorOf(() => {
      const lengthMs = durationLengthMs(duration, { stepMs: 15_000, rangeMs: 3_600_000 }, true);
      expect(Number.isInteger(lengthMs), `a duration of ${lengthMs} ms`);
    });
  }
}

const promqlSeeds = [
  "sum by (job) (rate(m{a=~\"b|c\"}[5m] anchored @ end() offset 1h)) / on (job) group_left (x) fill (0) n",
  "histogram_quantile(0.9, h >/ -1 </ 5) > bool 0.5 or info(m, {__name__=~\".+_info\"}) unless {\"a.b\", \"c d\"!=\"\"}",
  "max_over_time((-a ^ 2)[1h30m*2:step()+1] @ 1.5 offset -max_of(step(), 1m)) + m offset (range() / 2)",
];

function selectorSeed(random: Random): FuzzSeed {
  return textSeed(oneOf(random, ['up{job="a",instance=~"b.*|c"}', "{__name__!~\"x|y\" or a=\"b\"}", "m", '{"with space", "é"="ü"}']));
}

// ---- regular expressions ---------------------------------------------------------------------------------------------------

const patternWords = [
  "(", ")", "(?:", "(?i)", "(?P<n>", "(?s:", "|", "*", "+", "?", "*?", "{2}", "{1000}", "{0,1000}", "{,}", "{1,}", "[", "]", "[^", "[a-z]", "[[:alpha:]]", "\\d", "\\pL", "\\p{Greek}", "\\Q", "\\E", "\\b",
  "\\x{10ffff}", "\\C", "\\1", ".", ".*", ".+", "^", "$", "\\", "é", "\u{1f600}", "\u0000", "-", "foo|bar", "(a+)+", "(a|aa)*",
];
const patternSeeds = ["foo|bar", "prod-.*", "(?i)error[0-9]+", "10\\.0\\.\\d+\\.[0-9]{1,3}:9100", "(a+)+b", "[^/]+/(?P<name>[a-z]+)", "^$", ".+", "a{3,5}(b|c)?", "(x|y|z)*w"];
const subjects = ["", "foo", "prod-eu-1", "error42", "10.0.0.7:9100", "a".repeat(60), "é\u{1f600}", "x".repeat(800)];

function runPattern(input: Uint8Array): void {
  const regexp = new AnchoredRegexp(textOf(input.subarray(0, 4096)));
  for (const subject of subjects) expect(regexp.test(subject) === (regexp.exec(subject) !== undefined), `test and exec disagree on ${JSON.stringify(subject.slice(0, 40))}`);
  expect(Array.isArray(regexp.groupNames), "names of groups");
}

// ---- configuration files ---------------------------------------------------------------------------------------------------

const yamlWords = [
  ": ", "- ", "\n", "\n  ", "\n- ", "{", "}", "[", "]", ",", "&a ", "*a", "<<: *a", "!!binary ", "!!float ", "|", ">", "|+\n", "'", '"', "#", "%YAML 1.1\n", "---\n", "...\n", "? ", "\t", "~", "null", ".inf", "0o7",
  "1e999", "%{HOME}", "%{", "regex: '(a+)+'", "action: replace", "relabel_configs:", "scrape_interval: ", "-1s", "[[[[[[[[[[", "{a: {a: {a: ", "&a [*a, *a]",
];
const scrapeSeeds = [
  "global: {scrape_interval: 30s, external_labels: {dc: east}}\nscrape_configs:\n- job_name: node\n  static_configs:\n  - targets: ['a:1', b]\n    labels: {env: prod}\n  relabel_configs: &r\n  - {source_labels: [__address__], target_label: host, regex: '([^:]+):.*', replacement: '$1'}\n- job_name: b\n  relabel_configs: *r\n",
  "scrape_configs:\n- job_name: x\n  scheme: https\n  basic_auth: {username: u, password: p}\n  tls_config: {insecure_skip_verify: true}\n  params: {module: [a, b]}\n  metric_relabel_configs:\n  - action: labeldrop\n    regex: tmp_.*\n  - if: 'm{a=\"b\"}'\n    action: drop\n",
  '{"scrape_configs": [{"job_name": "json", "file_sd_configs": [{"files": ["*.yml"], "refresh_interval": "10s"}]}]}',
];
const relabelSeeds = [
  "- source_labels: [a, b]\n  separator: '-'\n  regex: (.*)-(.*)\n  target_label: c\n  replacement: '$2:${1}'\n",
  "- {action: hashmod, source_labels: [a], modulus: 7, target_label: shard}\n- {action: labelmap, regex: 'meta_(.+)'}\n- {action: replace_all, source_labels: [b], target_label: b, regex: v, replacement: w}\n",
  "- action: graphite\n  match: 'x.*.y'\n  labels: {job: '$1'}\n- {action: keep, if: '{a=~\"x.*\"}'}\n- {action: uppercase, source_labels: [b], target_label: u}\n",
];

function runRelabeling(input: Uint8Array): void {
  const problems = new ConfigProblems("relabel.yml");
  const value = parseYamlConfig(textOf(input), problems);
  const rules = value && relabelRulesField(value, "", problems);
  problems.throwIfAny();
  rules?.apply(labelMapOf(labelsOf({ __name__: "x.a.y", a: "value-1", b: "vvv", meta_zone: "z" })));
}

// ---- arguments of requests -------------------------------------------------------------------------------------------------

const argumentSeeds = [
  "query=up&start=1700000000&end=now-1h&step=15s&timeout=5s&limit=10",
  "match[]=up{job=%22a%22}&match[]=%7B__name__%3D~%22b.*%22%7D&start=2026-08-02T03:04:05Z&end=2026-08-03&extra_label=a=b&extra_filters[]={c=%22d%22}",
  "start=-1h30m&end=1.7e12&step=1m30s&limit=999999999999999&nocache=1&extra_filters={a=\"b\" or c=\"d\"}",
];
const argumentWords = ["&", "=", "%", "%00", "%ff", "[]", "match[]=", "start=", "end=", "step=", "limit=", "now", "-1h", "1e99", "9223372036854775807", "2026-13-01", "0000", "T", "Z", "+02:00", "NaN", "Infinity", "{a=\"b\" or c=\"d\" or e=\"f\"}", "&match[]={a=\"b\" or c=\"d\"}"];

const selectorLimits = { limits: { queryBytesMax: 16_384 } };

/** What the endpoints ask of the arguments of a request. */
function runArguments(input: Uint8Array): void {
  const [query, form] = textOf(input).split("\n", 2);
  const requestArguments = new RequestArguments(query, form);
  const startMs = requestArguments.timeMs("start", nowMs, 0);
  const endMs = requestArguments.timeMs("end", nowMs, nowMs);
  for (const timeMs of [startMs, endMs]) expect(Number.isInteger(timeMs) && timeMs >= 0 && timeMs <= timeMaxMs, `a time of ${timeMs}`);
  const stepMs = requestArguments.durationMs("step", 60_000);
  expect(Number.isInteger(stepMs), `a step of ${stepMs}`);
  if (stepMs > 0) checkGrid({ startMs, endMs, stepMs }, 30_000);
  expect(Number.isSafeInteger(requestArguments.count("limit", 0)), "a limit");
  requestArguments.isSet("nocache");
  selectorArgument(selectorLimits, requestArguments);
  enforcedFilters(selectorLimits, requestArguments);
}

const timeSeeds = ["1562529662.678", "2026-08-20T04:57:43.123Z", "2026-08+02:00", "now-1h30m", "-5m", "1e9", "1562529662678000000", "1h30m5s", "1.5d", "08"];

/** Times, durations, sizes and numbers: a number or nothing. */
function runSmallTexts(input: Uint8Array): void {
  const text = textOf(input);
  parseByteSize(text);
  parseNumber(text);
  parseContentEncoding(text.startsWith("g") ? "gzip" : "", "identity");
  const duration = parseDuration(text);
  if (duration !== undefined) expect(Number.isFinite(durationMs(duration, 1000)), `a duration of ${durationMs(duration, 1000)} ms`);
  const errors = [() => expect(Number.isInteger(parseDurationArgument("step", text)), "a duration"), () => expect(Number.isInteger(parseTimeArgument("start", text, nowMs)), "a time")].map(inputErrorOf);
  const error = errors.find((one) => one !== undefined);
  if (error !== undefined && errors.every((one) => one !== undefined)) throw error;
}

function inputErrorOf(work: () => void): InputError | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
}

// ---- compressed bodies -----------------------------------------------------------------------------------------------------

const encodings = ["gzip", "deflate", "zstd"] as const;
const bodyBytesMax = 64 << 10;

/** An input is u8 encoding and a body. */
function bodySeed(random: Random): FuzzSeed {
  const encoding = random.int(encodings.length);
  const plain = Buffer.from(Array.from({ length: 1 + random.int(40) }, () => `metric{a="${random.int(100)}"} ${random.int(1000)}\n`).join("").repeat(random.int(8) === 0 ? 200 : 1)).subarray(0, bodyBytesMax);
  return { bytes: Buffer.concat([Uint8Array.of(encoding), [gzipSync, deflateSync, zstdCompressSync][encoding](plain)]) };
}

async function runBody(input: Uint8Array): Promise<void> {
  const budget = new ByteBudget(1 << 20);
  const bytes = Buffer.from(input.slice(1));
  const chunks = [bytes.subarray(0, bytes.length >> 1), bytes.subarray(bytes.length >> 1)].filter(({ length }) => length > 0);
  const request = Object.assign(Readable.from(chunks, { objectMode: false }), { headers: {}, complete: true });
  const exchange = { request, wantBody: () => undefined } as unknown as Exchange;
  try {
    using body = await receiveBody(exchange, { encoding: encodings[(input[0] ?? 0) % encodings.length], limitBytes: bodyBytesMax, limitFlag: "-limit", budget });
    expect(body.chunks.sizeBytes <= bodyBytesMax, `a body of ${body.chunks.sizeBytes} bytes`);
  } finally {
    request.destroy();
  }
  expect(budget.usedBytes === 0, `${budget.usedBytes} bytes of the budget are held`);
}

export const textTargets: readonly FuzzTarget[] = [
  { name: "metricsql", covers: ["parseExpr", "parseSyntax", "parseTemplates", "parseOperatorChain", "parseStrings", "parseName", "parseLabelList", "decodeIdentifierEscape"], words: queryWords, make: (random) => textSeed(random.int(3) === 0 ? oneOf(random, querySeeds) : printExpr(randomExpr(random, 1 + random.int(5)))), run: runQuery },
  { name: "promql", covers: ["parsePromql", "parsePromqlSelector", "parsePromqlString", "parsePromqlLabels", "parseWindow", "parseOffset"], words: promqlWords, make: (random) => textSeed(random.int(3) === 0 ? oneOf(random, promqlSeeds) : printExpr(randomPromql(random, 1 + random.int(5)), { dialect: "promql" })), run: runPromql },
  { name: "selector", covers: ["parseSelector", "parseSelectorSyntax"], words: queryWords, make: selectorSeed, run: (input) => void parseSelector(textOf(input)) },
  { name: "regexp", covers: ["AnchoredRegexp", "parseSimpleRegexp"], words: patternWords, make: (random) => textSeed(oneOf(random, patternSeeds)), run: runPattern, cpuMsMax: 1500 },
  { name: "scrape_config", covers: ["parseScrapeConfig", "parseYamlConfig", "parseDurationMs"], words: yamlWords, make: (random) => textSeed(oneOf(random, scrapeSeeds)), run: (input) => void parseScrapeConfig(textOf(input), "/etc/scrape.yml") },
  { name: "relabel_config", covers: ["relabelRulesField"], words: yamlWords, make: (random) => textSeed(oneOf(random, relabelSeeds)), run: runRelabeling },
  { name: "request_arguments", covers: ["RequestArguments", "selectorArgument", "enforcedFilters"], words: argumentWords, make: (random) => textSeed(oneOf(random, argumentSeeds)), run: runArguments },
  {
    name: "small_texts",
    covers: ["parseTimeArgument", "parseDurationArgument", "parseTimeNs", "parseUnixNs", "parseDurationNs", "parseDuration", "parseNumber", "parseByteSize", "parseContentEncoding"],
    words: ["0x10", "64MiB", "-", "+", ".", "e", "h", "m", "s", "i", "now", "Z", "T", "_", "0", "9999999999", "Ki", "MB"],
    make: (random) => textSeed(oneOf(random, timeSeeds)),
    run: runSmallTexts,
  },
  { name: "compressed_body", covers: ["receiveBody"], make: bodySeed, run: runBody },
];
