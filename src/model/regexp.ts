/**
 * Regular expressions of label matchers and relabeling: RE2 syntax, anchored at both ends, `.` matches newlines too.
 *
 * A pattern is recognised before it is run: finite sets of strings, literals with wildcards, strings it must begin with; an index
 * asks for these and looks into its sorted dictionary. What must be run takes JavaScript's own engine if that cannot backtrack
 * badly (at most one unbounded quantifier on a path, none nested, few alternatives to combine), and re2js, which is linear,
 * otherwise. Strings are well-formed UTF-16.
 */
import { RE2JS } from "re2js";
import { InputError } from "../base/errors.ts";
import { compareBytewise } from "./labels.ts";
import type { Matcher } from "./matcher.ts";
import { backtrackingPaths, finiteSet, type Glob, globsOf, hasRepeatedCapture, matchGlob, prefixesOf } from "./regexp_shape.ts";
import { dropAnchors, parseSimpleRegexp, printForJavaScript, type RegexpTree } from "./regexp_syntax.ts";

/** Globs beyond this number are slower than one pass of a regular expression. */
const fastGlobsMax = 4;
/** Ways of backtracking that are still harmless, and ways times characters. */
const nativePathsMax = 1_000;
const nativeStepsMax = 1_000_000;

/** Characters of a pattern for re2js, which takes kilobytes for each of them. */
const linearPatternMax = 65_536;

/** A compiled pattern. Immutable to the user; engines are made when first needed. */
export class AnchoredRegexp {
  readonly pattern: string;
  /** The strings that match, sorted bytewise, if they are finite and not too many. */
  readonly literals: readonly string[] | undefined;
  /** Every match starts with one of these: sorted bytewise, none the start of another; [""] says nothing. */
  readonly prefixes: readonly string[];
  /** Whether every text that starts with one of `prefixes` matches (`foo.*`, `.*`). */
  readonly prefixesSuffice: boolean;
  /** Whether every text but the empty one matches for sure (`.+`, `.*`). */
  readonly matchesNonEmpty: boolean;
  readonly matchesEmpty: boolean;
  readonly #tree: RegexpTree | undefined;
  readonly #literalSet: ReadonlySet<string> | undefined;
  readonly #globs: readonly Glob[] | undefined;
  readonly #paths: number;
  readonly #hasRepeatedCapture: boolean;
  #native: RegExp | undefined;
  #linear: RE2JS | undefined;

  /** Throws InputError `bad_regexp` if the pattern is not valid RE2. */
  constructor(pattern: string) {
    this.pattern = pattern;
    this.#tree = parseSimpleRegexp(pattern);
    const root = this.#tree === undefined ? undefined : dropAnchors(this.#tree.root);
    const literals = root === undefined ? undefined : finiteSet(root);
    this.#literalSet = literals === undefined ? undefined : new Set(literals);
    this.literals = this.#literalSet === undefined ? undefined : [...this.#literalSet].sort(compareBytewise);
    this.#globs = root === undefined || literals !== undefined ? undefined : globsOf(root);
    this.#paths = root === undefined ? Infinity : backtrackingPaths(root);
    this.#hasRepeatedCapture = root !== undefined && hasRepeatedCapture(root);
    this.prefixes = root === undefined ? [""] : prefixesOf(root, this.#globs);
    this.prefixesSuffice = this.#globs?.every((glob) => glob.gapMins.length === 1 && glob.gapMins[0] === 0 && glob.pieces[1] === "") ?? false;
    this.matchesNonEmpty = this.#globs?.some((glob) => glob.gapMins.length === 1 && glob.pieces.every((piece) => piece === "")) ?? false;
    if (root === undefined) this.#linear = compileLinear(pattern);
    this.matchesEmpty = this.test("");
  }

  /** Whether the whole text matches. */
  test(text: string): boolean {
    if (this.#literalSet !== undefined) return this.#literalSet.has(text);
    const globs = this.#globs;
    if (globs !== undefined && (globs.length <= fastGlobsMax || this.#paths > nativePathsMax)) {
      for (const glob of globs) if (matchGlob(glob, text)) return true;
      return false;
    }
    return this.#isNativeSafe(text) ? this.#nativeEngine().test(text) : this.#linearEngine().testExact(text);
  }

  /** The match with its capture groups ([0] is the text itself; undefined: the group took no part), or undefined. */
  exec(text: string): readonly (string | undefined)[] | undefined {
    if (this.#isNativeSafe(text) && !this.#hasRepeatedCapture) return this.#nativeEngine().exec(text) ?? undefined;
    const matcher = this.#linearEngine().matcher(text);
    if (!matcher.matches()) return undefined;
    return Array.from({ length: matcher.groupCount() + 1 }, (_, i) => matcher.group(i) ?? undefined);
  }

  /** Name of capture group i + 1, "" if it has none. */
  get groupNames(): readonly string[] {
    if (this.#tree !== undefined) return this.#tree.groupNames;
    const engine = this.#linearEngine();
    const names = Array.from({ length: engine.groupCount() }, () => "");
    for (const [name, index] of Object.entries(engine.namedGroups())) names[index - 1] = name;
    return names;
  }

  #isNativeSafe(text: string): boolean {
    return this.#paths <= nativePathsMax && this.#paths * text.length <= nativeStepsMax;
  }

  #nativeEngine(): RegExp {
    this.#native ??= new RegExp(`^(?:${printForJavaScript(this.#tree!.root)})$`, "u");
    return this.#native;
  }

  #linearEngine(): RE2JS {
    this.#linear ??= compileLinear(this.pattern);
    return this.#linear;
  }
}

function compileLinear(pattern: string): RE2JS {
  if (pattern.length > linearPatternMax) {
    throw new InputError("bad_regexp", `the regular expression is ${pattern.length} characters long; one that is not a list of words with wildcards has at most ${linearPatternMax}`);
  }
  try {
    return RE2JS.compile(pattern, RE2JS.DOTALL);
  } catch (cause) {
    // The engine puts the flag in front of the pattern; the user did not write it.
    const reason = (cause instanceof Error ? cause.message : String(cause)).replace(/^error parsing regexp: /, "").replace("`(?s)", "`");
    throw new InputError("bad_regexp", `cannot parse regexp ${JSON.stringify(shortened(pattern))}: ${shortened(reason)}`, { cause });
  }
}

function shortened(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200)}...`;
}

/** The test of one matcher on a label value ("" for a missing label). Throws InputError for a bad regular expression. */
export function compileMatcher(op: Matcher["op"], value: string): (text: string) => boolean {
  if (op === "=") return (text) => text === value;
  if (op === "!=") return (text) => text !== value;
  const regexp = new AnchoredRegexp(value);
  return op === "=~" ? (text) => regexp.test(text) : (text) => !regexp.test(text);
}
