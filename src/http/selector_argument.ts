/** Selectors among the arguments: match[] picks series, extra_filters[] and extra_label restrict what may be seen. */
import { InputError, LimitError } from "../base/errors.ts";
import { parseSelector } from "../metricsql/parser.ts";
import type { Labels } from "../model/labels.ts";
import type { Matcher, Selector } from "../model/matcher.ts";
import type { Api } from "./api.ts";
import type { RequestArguments } from "./request_arguments.ts";

const groupsMax = 1000;

export interface SelectorLimits {
  readonly limits: Pick<Api["limits"], "queryBytesMax">;
}

/** The union of all match[] selectors, narrowed by the enforced filters; `[[]]` when there are none. */
export function selectorArgument(api: SelectorLimits, requestArguments: RequestArguments): Selector {
  const texts = checkedLength(api, requestArguments.texts("match[]", "match"));
  const picked = texts.length === 0 ? [[]] : texts.flatMap(groupsOf);
  return narrowed(picked, enforcedFilters(api, requestArguments));
}

/** As selectorArgument, but at least one match[] has to be given. */
export function requiredSelectorArgument(api: SelectorLimits, requestArguments: RequestArguments): Selector {
  if (requestArguments.texts("match[]", "match").length === 0) throw new InputError("bad_argument", 'argument "match[]" is missing');
  return selectorArgument(api, requestArguments);
}

/** What extra_filters[] (any of them) and extra_label (all of them) let through; `[[]]` is everything. */
export function enforcedFilters(api: SelectorLimits, requestArguments: RequestArguments): Selector {
  const texts = checkedLength(api, requestArguments.enforcedTexts("extra_filters[]", "extra_filters"));
  const filters = texts.length === 0 ? [[]] : texts.flatMap(groupsOf);
  const labels = extraLabels(requestArguments).map(({ name, value }): Matcher => ({ name, op: "=", value }));
  return labels.length === 0 ? filters : narrowed(filters, [labels]);
}

/** The labels of extra_label=name=value. */
function extraLabels(requestArguments: RequestArguments): Labels {
  return requestArguments.enforcedTexts("extra_label").map((text) => {
    const mark = text.indexOf("=");
    if (mark <= 0) throw new InputError("bad_argument", `bad value ${JSON.stringify(text)} in argument "extra_label"; allowed: name=value`);
    return { name: text.slice(0, mark), value: text.slice(mark + 1) };
  });
}

/** Selectors are looked up where all requests are answered, and a regular expression takes as long as it is: as with queries, only so much text is looked at. */
function checkedLength(api: SelectorLimits, texts: readonly string[]): readonly string[] {
  let sizeBytes = 0;
  for (const text of texts) sizeBytes += Buffer.byteLength(text);
  const { queryBytesMax } = api.limits;
  if (sizeBytes > queryBytesMax) throw new LimitError("selectors_too_long", `the selectors are ${sizeBytes} bytes long, the limit is ${queryBytesMax} (-search.maxQueryLen)`);
  return texts;
}

/** Selectors by their texts, the longest unused first. Dashboards send the same few again and again. */
const parsed = new Map<string, Selector>();
const parsedMax = 256;
const parsedUnitsMax = 1024;

function groupsOf(text: string): Selector {
  if (text.length > parsedUnitsMax) return parseSelector(text).groups;
  const groups = parsed.get(text) ?? parseSelector(text).groups;
  parsed.delete(text);
  parsed.set(text, groups);
  if (parsed.size > parsedMax) parsed.delete(parsed.keys().next().value!);
  return groups;
}

/** Series that both let through. */
export function narrowed(selector: Selector, filters: Selector): Selector {
  if (selector.length * filters.length > groupsMax) throw new InputError("bad_argument", `the selectors have more than ${groupsMax} combinations`);
  return selector.flatMap((group) => filters.map((filter) => (filter.length === 0 ? group : [...group, ...filter])));
}
