/** Replaces every occurrence of a regular expression (RE2, not anchored) in a text: the actions replace_all and labelmap_all. */
import { RE2JS } from "re2js";
import type { LabelMap, ReplacementTemplate } from "./replacement_template.ts";

/** A pattern without operators: characters, and characters behind a backslash that have no meaning of their own. */
const literalPattern = /^(?:[^\\^$.*+?()[\]{}|]|\\[^\w\s])+$/;

export class TextReplacer {
  readonly #literal: string | undefined;
  readonly #engine: RE2JS;
  readonly #template: ReplacementTemplate;

  /** REQUIRES: `pattern` is valid RE2. */
  constructor(pattern: string, template: ReplacementTemplate) {
    this.#literal = literalPattern.test(pattern) && template.constant !== undefined ? pattern.replace(/\\(.)/g, "$1") : undefined;
    this.#engine = RE2JS.compile(pattern);
    this.#template = template;
  }

  /** The new text, or undefined if nothing matches. */
  replace(text: string, labels: LabelMap): string | undefined {
    if (this.#literal !== undefined) return text.includes(this.#literal) ? text.split(this.#literal).join(this.#template.constant) : undefined;
    const matcher = this.#engine.matcher(text);
    let result = "";
    let position = 0;
    let found = false;
    while (matcher.find()) {
      const groups = Array.from({ length: matcher.groupCount() + 1 }, (_, i) => matcher.group(i) ?? undefined);
      result += text.slice(position, matcher.start()) + this.#template.expand(groups, labels);
      position = matcher.end();
      found = true;
    }
    return found ? result + text.slice(position) : undefined;
  }
}
