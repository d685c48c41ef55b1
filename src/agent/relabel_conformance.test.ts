// Relabeling against conformance/relabel.json (here rather than in pipeline/, which has no YAML): rules, conditions, Graphite templates
// and scrape URLs. Every case runs, but for the groups and cases in `expectedFailures`, which say why.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { InputError } from "../base/errors.ts";
import { labelsOf, labelValue } from "../model/labels.ts";
import { AnchoredRegexp } from "../model/regexp.ts";
import { parseSelector } from "../metricsql/parser.ts";
import { ConfigProblems } from "../pipeline/config_value.ts";
import { expandGraphite, GraphiteMatch } from "../pipeline/graphite_template.ts";
import { relabelRulesField } from "../pipeline/relabel_config.ts";
import { dropInternalLabels, labelMapOf, labelsOfMap, type RelabelRules } from "../pipeline/relabel_rules.ts";
import type { LabelMap } from "../pipeline/replacement_template.ts";
import { scrapeUrlOf } from "./scrape_url.ts";
import { parseYamlConfig } from "./yaml_config.ts";

interface Case {
  readonly id: string;
  readonly group: string;
  readonly [key: string]: unknown;
}

const { cases } = JSON.parse(readFileSync(new URL("../../conformance/relabel.json", import.meta.url), "utf8")) as { cases: Case[] };

/** Case id or group -> why it is not run. */
const expectedFailures: Readonly<Record<string, string>> = {
  apply_debug: "the relabel debugger does not exist yet",
  debug_page_formats: "the relabel debugger does not exist yet",
  metric_parse: "text form of a series, an input of the relabel debugger",
  metric_parse_invalid: "text form of a series, an input of the relabel debugger",
  if_string: "configurations are not printed back",
  config_roundtrip: "configurations are not printed back",
  labels_to_string: "text form of a series, an output of the relabel debugger",
  sanitize_metric_name: "names are not made Prometheus-compatible (flag -usePromCompatibleNaming)",
  sanitize_label_name: "names are not made Prometheus-compatible (flag -usePromCompatibleNaming)",
};

/** Reads the text form of a series, which is a selector of equalities (label names may hold dots and dashes). */
function parseSeries(text: string): LabelMap {
  const escaped = text.replace(/([{,])([\w.-]+)=/g, (_, before: string, name: string) => `${before}${JSON.stringify(name)}=`);
  return new Map(parseSelector(escaped).groups.flat().map(({ name, value }) => [name, value]));
}

function printSeries(labels: LabelMap): string {
  const sorted = labelsOfMap(labels);
  const name = labelValue(sorted, "__name__");
  const rest = sorted.filter((label) => label.name !== "__name__").map((label) => `${label.name}=${JSON.stringify(label.value)}`);
  return name !== "" && rest.length === 0 ? name : `${name}{${rest.join(",")}}`;
}

function rulesOf(config: string): RelabelRules {
  const problems = new ConfigProblems("relabel.yml");
  const value = parseYamlConfig(config, problems);
  const list = value?.kind === "map" && value.entries.length === 0 ? { ...value, kind: "list" as const, items: [] } : value;
  const rules = list && relabelRulesField(list, "", problems);
  problems.throwIfAny();
  return rules!;
}

function relabelled(config: string, metric: string, finalize: boolean): string {
  const labels = parseSeries(metric);
  if (!rulesOf(config).apply(labels)) return "{}";
  if (finalize) dropInternalLabels(labels);
  return printSeries(labels);
}

/** The condition as a rule that keeps what matches. */
function keepIf(condition: string): string {
  return `- action: keep\n  if: ${condition.startsWith("-") ? `\n${condition.replace(/^/gm, "    ")}` : condition}\n`;
}

const yamlText = (text: string): string => (text.startsWith("'") ? text : `'${text.replaceAll("'", "''")}'`);

const runners: Readonly<Record<string, (row: Case) => void>> = {
  apply: (row) => assert.equal(relabelled(String(row["config"]), String(row["metric"]), row["finalize"] === true), row["expected"]),
  apply_many: (row) => {
    const results = (row["metrics"] as string[]).map((metric) => relabelled(String(row["config"]), metric, false)).filter((text) => text !== "{}");
    assert.deepEqual(results, row["expected"]);
  },
  finalize: (row) => assert.equal(relabelled("", String(row["metric"]), true), row["expected"]),
  label_references: (row) => {
    const config = `- target_label: result\n  replacement: ${yamlText(String(row["replacement"]))}\n`;
    const labels = parseSeries(String(row["metric"]));
    rulesOf(config).apply(labels);
    assert.equal(labels.get("result"), row["expected"]);
  },
  if_match: checkCondition,
  if_mismatch: checkCondition,
  if_valid: (row) => void rulesOf(keepIf(yamlText(String(row["if"])))),
  if_invalid: (row) => assert.throws(() => rulesOf(keepIf(yamlText(String(row["if"])))), InputError),
  if_yaml_valid: (row) => void rulesOf(keepIf(String(row["if_yaml"]))),
  if_yaml_invalid: (row) => assert.throws(() => rulesOf(keepIf(String(row["if_yaml"]))), InputError),
  config_invalid: (row) => assert.throws(() => rulesOf(JSON.stringify(row["config_json"])), InputError),
  graphite_match: (row) => {
    const groups = new GraphiteMatch(String(row["match"])).match(String(row["metric_name"]));
    assert.deepEqual(groups ?? [], row["expected_groups"]);
    assert.equal(groups !== undefined, row["expected"]);
  },
  graphite_replace: (row) => assert.equal(expandGraphite(String(row["replace"]), row["groups"] as string[]), row["expected"]),
  graphite_template: (row) => {
    const groups = new GraphiteMatch(String(row["match"])).match(String(row["metric_name"]));
    assert.equal(expandGraphite(String(row["replace"]), groups!), row["expected"]);
  },
  regex_match: checkRegexp,
  regex_mismatch: checkRegexp,
  scrape_url: (row) => {
    const found = scrapeUrlOf(parseSeries(String(row["labels"])), new Map());
    assert.deepEqual([found?.url ?? "", found?.address ?? ""], [row["expected_url"], row["expected_address"]]);
  },
};

function checkCondition(row: Case): void {
  const condition = String(row["if"]);
  const matches = rulesOf(keepIf(yamlText(condition))).apply(parseSeries(String(row["metric"])));
  assert.equal(matches, row["expected"]);
}

function checkRegexp(row: Case): void {
  assert.equal(new AnchoredRegexp(String(row["pattern"])).test(String(row["input"])), row["expected"]);
}

for (const row of cases) {
  if (expectedFailures[row.group] === undefined && expectedFailures[row.id] === undefined) test(row.id, () => runners[row.group](row));
}

test("expected failures exist", () => {
  for (const name of Object.keys(expectedFailures)) assert.ok(cases.some((row) => row.group === name || row.id === name), name);
});

test("label maps come back sorted and without empty values", () => {
  const map = labelMapOf(labelsOf({ b: "2", a: "1" })).set("c", "");
  assert.deepEqual(labelsOfMap(map), labelsOf({ a: "1", b: "2" }));
});
