/** Reads relabeling rules out of a configuration file and compiles them. */
import { InputError } from "../base/errors.ts";
import { AnchoredRegexp } from "../model/regexp.ts";
import {
  type ConfigField,
  type ConfigProblems,
  type ConfigRecord,
  type ConfigValue,
  hasKey,
  integerField,
  keyPosition,
  listField,
  namesField,
  plainValue,
  readMap,
  textField,
  wordField,
} from "./config_value.ts";
import { type RelabelAction, type RelabelActionName, relabelActionNames, relabelActions, type RelabelParameters, relabelStep } from "./relabel_action.ts";
import { RelabelRules } from "./relabel_rules.ts";
import { compileSeriesFilter, type SeriesFilter } from "./series_filter.ts";

const actionField = wordField(relabelActionNames);

/** A text, or a list of texts. */
const textsField: ConfigField<readonly string[]> = (value, path, problems) => {
  if (value.kind === "list") return listField(textField)(value, path, problems);
  const text = textField(value, path, problems);
  return text === undefined ? undefined : [text];
};

/** A pattern; the patterns of a list are alternatives. */
const regexpField: ConfigField<AnchoredRegexp> = (value, path, problems) => {
  const patterns = textsField(value, path, problems);
  return patterns && attempt(value, path, problems, () => new AnchoredRegexp(patterns.join("|")));
};

const conditionField: ConfigField<SeriesFilter> = (value, path, problems) => {
  const nonText = value.kind === "list" ? value.items.find((item) => item.kind === "scalar" && typeof item.value !== "string") : undefined;
  if (nonText !== undefined) return problems.add(nonText.position, path, "expected a series selector");
  const selectors = textsField(value, path, problems);
  return selectors && attempt(value, path, problems, () => compileSeriesFilter(selectors));
};

function attempt<T>(value: ConfigValue, path: string, problems: ConfigProblems, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return problems.add(value.position, path, error.message);
  }
}

const ruleFields = {
  action: (value, path, problems) => actionField(value.kind === "scalar" ? { ...value, text: value.text.toLowerCase() } : value, path, problems),
  if: conditionField,
  source_labels: listField(textField),
  separator: textField,
  target_label: textField,
  regex: regexpField,
  modulus: integerField(1, Number.MAX_SAFE_INTEGER),
  replacement: textField,
  match: textField,
  labels: namesField(textField),
} satisfies Record<string, ConfigField<unknown>>;

const defaultRegexp = new AnchoredRegexp("(.*)");

/** A list of rules, as under `relabel_configs`. */
export const relabelRulesField: ConfigField<RelabelRules> = (value, path, problems) => {
  const steps = listField((item, itemPath, itemProblems) => readRule(item, itemPath, itemProblems))(value, path, problems);
  return steps && new RelabelRules(steps, JSON.stringify(plainValue(value)));
};

function readRule(value: ConfigValue, path: string, problems: ConfigProblems): ReturnType<typeof relabelStep> | undefined {
  const before = problems.count;
  const rule = readMap(value, ruleFields, path, problems);
  if (rule === undefined || problems.count > before) return undefined;
  const name: RelabelActionName = rule.action ?? "replace";
  checkKeys(value, rule, name, path, problems);
  return problems.count > before ? undefined : relabelStep(name, parametersOf(rule), rule.if);
}

function parametersOf(rule: ConfigRecord<typeof ruleFields>): RelabelParameters {
  const { regex } = rule;
  return {
    sourceLabels: rule.source_labels ?? [],
    separator: rule.separator ?? ";",
    targetLabel: rule.target_label ?? "",
    regexp: regex ?? defaultRegexp,
    hasRegexp: regex !== undefined && regex.pattern !== defaultRegexp.pattern,
    replacement: rule.replacement ?? "$1",
    modulus: rule.modulus ?? 0,
    match: rule.match ?? "",
    labels: rule.labels ?? new Map(),
  };
}

/** Whether the rule has the keys that its action needs, and none that would have no effect. */
function checkKeys(value: ConfigValue, rule: ConfigRecord<typeof ruleFields>, name: RelabelActionName, path: string, problems: ConfigProblems): void {
  const action: RelabelAction = relabelActions[name];
  for (const key of action.requires ?? []) {
    if (action.orCondition === true && rule.if !== undefined) continue;
    const given = rule[key];
    const isEmpty = given === undefined || given === "" || (Array.isArray(given) && given.length === 0) || (given instanceof Map && given.size === 0);
    if (isEmpty) problems.add(keyPosition(value, key), path, `action ${name} needs ${key}${action.orCondition === true ? " or if" : ""}`);
  }
  const count = rule.source_labels?.length ?? 0;
  if (count > 0 && count < (action.sourceLabelsMin ?? 0)) {
    problems.add(keyPosition(value, "source_labels"), `${path}.source_labels`, `action ${name} needs at least ${action.sourceLabelsMin} labels`);
  }
  const forbidden = [...(action.forbids ?? []), ...(name === "graphite" ? [] : (["match", "labels"] as const))];
  for (const key of forbidden) if (hasKey(value, key)) problems.add(keyPosition(value, key), `${path}.${key}`, `has no meaning with action ${name}`);
}
