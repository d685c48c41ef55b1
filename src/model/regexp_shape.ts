/**
 * What can be said about an anchored pattern without running it: the finite set of strings it matches, the strings it can begin
 * with, and whether it is a choice of *globs* (literals with `.*` or `.+` between, before and behind them).
 */
import { compareBytewise } from "./labels.ts";
import type { RegexpNode } from "./regexp_syntax.ts";

/** Literals with gaps between: piece, gap, piece, ... ; `.*foo.*` is pieces ["", "foo", ""], gaps [0, 0] (smallest sizes). */
export interface Glob {
  readonly pieces: readonly string[];
  readonly gapMins: readonly number[];
}

const alternativesMax = 65_536;
const productMax = 4_096;
const globsMax = 64;
const prefixesMax = 64;

/** All strings that the node matches (unsorted, maybe repeated), or undefined if they are not finite or too many. */
export function finiteSet(node: RegexpNode): string[] | undefined {
  switch (node.kind) {
    case "literal": return [node.text];
    case "class": return classMembers(node);
    case "capture": return finiteSet(node.item);
    case "concat": {
      let strings: string[] | undefined = [""];
      for (const item of node.items) {
        strings = product(strings, finiteSet(item));
        if (strings === undefined) return undefined;
      }
      return strings;
    }
    case "alternate": {
      const strings: string[] = [];
      for (const item of node.items) {
        const more = finiteSet(item);
        if (more === undefined || strings.length + more.length > alternativesMax) return undefined;
        for (const text of more) strings.push(text);
      }
      return strings;
    }
    case "repeat": return repeatedSet(node.min, node.max, finiteSet(node.item));
    default: return undefined;
  }
}

function classMembers(node: RegexpNode & { kind: "class" }): string[] | undefined {
  if (node.negated) return undefined;
  let count = 0;
  for (const [low, high] of node.ranges) count += high - low + 1;
  if (count > prefixesMax) return undefined;
  return node.ranges.flatMap(([low, high]) => Array.from({ length: high - low + 1 }, (_, i) => String.fromCodePoint(low + i)));
}

function repeatedSet(min: number, max: number, item: string[] | undefined): string[] | undefined {
  if (item === undefined || max > 16) return undefined;
  let power: string[] | undefined = [""];
  const strings: string[] = min === 0 ? [""] : [];
  for (let times = 1; times <= max; times++) {
    power = product(power, item);
    if (power === undefined || strings.length + power.length > productMax) return undefined;
    if (times >= min) strings.push(...power);
  }
  return strings;
}

function product(left: string[], right: string[] | undefined): string[] | undefined {
  if (right === undefined) return undefined;
  if (left.length === 1 && left[0] === "") return right;
  if (left.length * right.length > productMax) return undefined;
  return left.flatMap((start) => right.map((end) => start + end));
}

/** The pattern as a choice of globs, or undefined. */
export function globsOf(node: RegexpNode): Glob[] | undefined {
  switch (node.kind) {
    case "any": return undefined;
    case "capture": return globsOf(node.item);
    case "repeat":
      if (node.item.kind === "any" && node.max === Infinity && node.min <= 1) return [{ pieces: ["", ""], gapMins: [node.min] }];
      return literalGlobs(node);
    case "alternate": {
      const globs: Glob[] = [];
      for (const item of node.items) {
        const more = globsOf(item);
        if (more === undefined || globs.length + more.length > globsMax) return undefined;
        globs.push(...more);
      }
      return globs;
    }
    case "concat": {
      let globs: Glob[] = [{ pieces: [""], gapMins: [] }];
      for (const item of node.items) {
        const more = globsOf(item);
        if (more === undefined || globs.length * more.length > globsMax) return undefined;
        globs = globs.flatMap((start) => more.map((end) => joinGlobs(start, end)));
      }
      // Two `.+` in a row would have to count code points.
      return globs.some((glob) => glob.gapMins.some((min) => min > 1)) ? undefined : globs;
    }
    default: return literalGlobs(node);
  }
}

function literalGlobs(node: RegexpNode): Glob[] | undefined {
  const strings = finiteSet(node);
  return strings === undefined || strings.length > globsMax ? undefined : strings.map((text) => ({ pieces: [text], gapMins: [] }));
}

function joinGlobs(start: Glob, end: Glob): Glob {
  const joint = start.pieces[start.pieces.length - 1] + end.pieces[0];
  const pieces = [...start.pieces.slice(0, -1), joint, ...end.pieces.slice(1)];
  const gapMins = [...start.gapMins, ...end.gapMins];
  // Gaps with nothing between them are one gap.
  for (let i = 1; i < pieces.length - 1; i++) {
    if (pieces[i] !== "") continue;
    pieces.splice(i, 1);
    gapMins.splice(i - 1, 2, gapMins[i - 1] + gapMins[i]);
    i--;
  }
  return { pieces, gapMins };
}

/** Whether `text` matches: the first piece starts it, the last one ends it, the others follow at their earliest places. */
export function matchGlob(glob: Glob, text: string): boolean {
  const { pieces, gapMins } = glob;
  const last = pieces.length - 1;
  if (last === 0) return text === pieces[0];
  if (!text.startsWith(pieces[0])) return false;
  let position = pieces[0].length;
  for (let i = 1; i < last; i++) {
    const found = text.indexOf(pieces[i], position + gapMins[i - 1]);
    if (found < 0) return false;
    position = found + pieces[i].length;
  }
  return text.length - pieces[last].length >= position + gapMins[last - 1] && text.endsWith(pieces[last]);
}

/** Every string that matches starts with one of these: sorted bytewise, none the start of another. [""] says nothing. */
export function prefixesOf(node: RegexpNode, globs: readonly Glob[] | undefined): string[] {
  const strings = globs === undefined ? leading(node).strings : globs.map((glob) => glob.pieces[0]);
  const prefixes: string[] = [];
  for (const text of strings.sort(compareBytewise)) {
    if (prefixes.length === 0 || !text.startsWith(prefixes[prefixes.length - 1])) prefixes.push(text);
  }
  return prefixes;
}

interface Leading {
  strings: string[];
  /** The strings are all that the node matches, so what follows the node extends them. */
  complete: boolean;
}

const unknown: Leading = { strings: [""], complete: false };

function leading(node: RegexpNode): Leading {
  const finite = node.kind === "alternate" || node.kind === "concat" ? undefined : finiteSet(node);
  if (finite !== undefined) return finite.length > prefixesMax ? { strings: [""], complete: false } : { strings: finite, complete: true };
  switch (node.kind) {
    case "capture": return leading(node.item);
    case "repeat": return node.min === 0 ? { ...unknown } : { strings: leading(node.item).strings, complete: false };
    case "alternate": {
      const branches = node.items.map(leading);
      const strings = branches.flatMap((branch) => branch.strings);
      if (strings.length > alternativesMax) return { ...unknown };
      return { strings, complete: branches.every((branch) => branch.complete) };
    }
    case "concat": {
      let start: Leading = { strings: [""], complete: true };
      for (const item of node.items) {
        if (!start.complete) break;
        const next = leading(item);
        if (start.strings.length * next.strings.length > Math.max(prefixesMax, start.strings.length)) return { ...start, complete: false };
        start = { strings: start.strings.flatMap((text) => next.strings.map((end) => text + end)), complete: next.complete };
      }
      return start;
    }
    default: return { strings: [""], complete: false };
  }
}

/**
 * How many ways a backtracking matcher may have to try, apart from one unbounded quantifier; Infinity if it could be
 * quadratic or worse: quantifiers in quantifiers, alternatives in unbounded ones, two unbounded ones in a row.
 */
export function backtrackingPaths(node: RegexpNode): number {
  return effort(node).paths;
}

interface Effort {
  paths: number;
  unbounded: number;
  quantified: boolean;
}

function effort(node: RegexpNode): Effort {
  switch (node.kind) {
    case "capture": return effort(node.item);
    case "concat": {
      const parts = node.items.map(effort);
      const unbounded = parts.reduce((sum, part) => sum + part.unbounded, 0);
      const paths = parts.reduce((all, part) => all * part.paths, 1);
      return { paths: unbounded > 1 ? Infinity : paths, unbounded, quantified: parts.some((part) => part.quantified) };
    }
    case "alternate": {
      const parts = node.items.map(effort);
      return {
        paths: parts.reduce((sum, part) => sum + part.paths, 0),
        unbounded: parts.reduce((most, part) => Math.max(most, part.unbounded), 0),
        quantified: parts.some((part) => part.quantified),
      };
    }
    case "repeat": {
      const item = effort(node.item);
      if (item.quantified || (node.max === Infinity && item.paths > 1)) return { paths: Infinity, unbounded: 2, quantified: true };
      if (node.max === Infinity) return { paths: 1, unbounded: 1, quantified: true };
      let paths = 0;
      for (let times = node.min; times <= node.max; times++) paths += item.paths ** times;
      return { paths, unbounded: 0, quantified: true };
    }
    default: return { paths: 1, unbounded: 0, quantified: false };
  }
}

/**
 * Whether a capture group stands in a quantifier where JavaScript reports other captures than RE2: it forgets them at each turn,
 * and it takes no turn that matches nothing.
 */
export function hasRepeatedCapture(node: RegexpNode): boolean {
  switch (node.kind) {
    case "capture": return hasRepeatedCapture(node.item);
    case "repeat": return (node.max > 1 || canBeEmpty(node.item)) ? hasCapture(node.item) : hasRepeatedCapture(node.item);
    case "concat": case "alternate": return node.items.some(hasRepeatedCapture);
    default: return false;
  }
}

function hasCapture(node: RegexpNode): boolean {
  switch (node.kind) {
    case "capture": return true;
    case "repeat": return hasCapture(node.item);
    case "concat": case "alternate": return node.items.some(hasCapture);
    default: return false;
  }
}

function canBeEmpty(node: RegexpNode): boolean {
  switch (node.kind) {
    case "capture": return canBeEmpty(node.item);
    case "repeat": return node.min === 0 || canBeEmpty(node.item);
    case "concat": return node.items.every(canBeEmpty);
    case "alternate": return node.items.some(canBeEmpty);
    case "begin": case "end": return true;
    default: return false;
  }
}
