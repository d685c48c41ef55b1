/** Patterns of the action `graphite`: `foo.*.bar` takes a Graphite name apart, `$1-x` or `${1}-x` puts a label value together. */
import { AnchoredRegexp } from "../model/regexp.ts";

/** A pattern; every `*` is a group of anything but dots. */
export class GraphiteMatch {
  readonly #regexp: AnchoredRegexp;
  /** Groups of a match, the whole name included. */
  readonly groupCount: number;

  constructor(pattern: string) {
    const pieces = pattern.split("*");
    this.groupCount = pieces.length;
    this.#regexp = new AnchoredRegexp(pieces.map((piece) => piece.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("([^.]*?)"));
  }

  /** The name and its groups, or undefined. */
  match(name: string): readonly string[] | undefined {
    return this.#regexp.exec(name)?.map((group) => group ?? "");
  }
}

/** Puts groups into `template`. What refers to no group stays as it is written. */
export function expandGraphite(template: string, groups: readonly string[]): string {
  return template.replace(/\$(?:(\d+)|\{(\d+)\})/g, (whole, plain?: string, braced?: string) => groups[Number(plain ?? braced)] ?? whole);
}
