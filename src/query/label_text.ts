/** Bounds of the texts that label functions make: nested ones can double a label again and again. */
import { InputError, LimitError } from "../base/errors.ts";

/** UTF-16 units of one label value that a function makes. */
const labelUnitsMax = 65_536;

/** Counts what one call of a label function makes. */
export class LabelTextBudget {
  readonly #name: string;
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(functionName: string, bytesMax: number) {
    this.#name = functionName;
    this.#bytesMax = bytesMax;
  }

  /** To be called before a text of `units` is made, or whenever one has grown to that. */
  checkLength(units: number): void {
    if (units > labelUnitsMax) throw new InputError("label_too_long", `${this.#name}() makes a label value of more than ${labelUnitsMax} characters`);
  }

  /** A text that was made and is kept. */
  keep(text: string): string {
    this.checkLength(text.length);
    this.#bytes += text.length * 2;
    if (this.#bytes <= this.#bytesMax) return text;
    throw new LimitError("too_much_memory", `${this.#name}() makes labels of more than ${this.#bytesMax} bytes; select less or raise -search.maxMemoryPerQuery`);
  }

  /** The texts with the separator between them. */
  join(texts: readonly string[], separator: string): string {
    this.checkLength(texts.reduce((units, text) => units + text.length, separator.length * Math.max(0, texts.length - 1)));
    return this.keep(texts.join(separator));
  }

  /** Expands `$1`, `${1}`, `$name`, `${name}` and `$$` as Go does: a name takes all letters, digits and underscores that follow. */
  expand(template: string, groups: readonly (string | undefined)[], names: readonly string[]): string {
    let units = 0;
    const counted = (text: string): string => {
      units += text.length;
      this.checkLength(units);
      return text;
    };
    return this.keep(template.replace(/\$(?:(\$)|(\w+)|\{(\w+)\})/g, (_text, dollar: string | undefined, bare: string | undefined, braced: string | undefined) => {
      if (dollar !== undefined) return "$";
      const name = bare ?? braced ?? "";
      if (/^\d+$/.test(name)) return counted(groups[Number(name)] ?? "");
      return counted(names.reduce((found, groupName, i) => (groupName === name ? (groups[i + 1] ?? found) : found), ""));
    }));
  }
}
