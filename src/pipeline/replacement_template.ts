/**
 * What a rule puts in place of a match, in the syntax of Go's regexp.Expand: `$1`, `${1}`, `$name`, `${name}`, `$$` for a dollar sign;
 * and `{{label}}` for the value of a label. A group that does not exist is empty.
 */
import type { AnchoredRegexp } from "../model/regexp.ts";

export type LabelMap = Map<string, string>;

type Piece = string | { readonly group: number } | { readonly label: string };

/** A match: [0] is the whole, undefined a group that took no part. */
export type Groups = readonly (string | undefined)[];

export class ReplacementTemplate {
  readonly #pieces: readonly Piece[];
  /** The text, if it is always the same. */
  readonly constant: string | undefined;
  /** Whether the result is the first group and nothing else. */
  readonly isFirstGroup: boolean;

  /** `hasLabels`: whether `{{label}}` has its meaning. */
  constructor(text: string, regexp: Pick<AnchoredRegexp, "groupNames">, hasLabels: boolean) {
    this.#pieces = parsePieces(text, regexp.groupNames, hasLabels);
    this.constant = this.#pieces.every((piece) => typeof piece === "string") ? this.#pieces.join("") : undefined;
    this.isFirstGroup = text === "$1" || text === "${1}";
  }

  expand(groups: Groups, labels: LabelMap): string {
    if (this.constant !== undefined) return this.constant;
    let text = "";
    for (const piece of this.#pieces) {
      if (typeof piece === "string") text += piece;
      else text += ("group" in piece ? groups[piece.group] : labels.get(piece.label)) ?? "";
    }
    return text;
  }
}

const referencePattern = /\$(?:\$|(\w+)|\{(\w+)\})|\{\{([^{}]*)\}\}/g;

function parsePieces(text: string, groupNames: readonly string[], hasLabels: boolean): Piece[] {
  const pieces: Piece[] = [];
  let position = 0;
  for (const match of text.matchAll(referencePattern)) {
    const [whole, plain, braced, label] = match;
    if (label !== undefined && !hasLabels) continue;
    if (match.index > position) pieces.push(text.slice(position, match.index));
    position = match.index + whole.length;
    if (label !== undefined) pieces.push({ label });
    else if (whole === "$$") pieces.push("$");
    else pieces.push(groupPiece(plain ?? braced, groupNames));
  }
  if (position < text.length) pieces.push(text.slice(position));
  return pieces;
}

function groupPiece(name: string, groupNames: readonly string[]): Piece {
  const group = /^\d+$/.test(name) ? Number(name) : groupNames.indexOf(name) + 1;
  return group === 0 && name !== "0" ? "" : { group };
}
