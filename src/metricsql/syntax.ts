/**
 * The tree as written, before WITH templates are expanded. Every Expr is also a Syntax (the shapes of ast.ts with
 * wider children), so the printer handles both; what only exists before expansion has kinds of its own.
 */
import type {
  AggregateExpr, BinaryExpr, DurationExpr, FunctionExpr, LabelFilter, ListExpr, NumberExpr, RollupExpr, StringExpr, UnaryExpr,
} from "./ast.ts";

export type Syntax =
  | NumberExpr | StringExpr | StringSyntax | DurationExpr | SelectorSyntax | RollupSyntax | FunctionSyntax
  | AggregateSyntax | BinarySyntax | UnarySyntax | ListSyntax | WithSyntax;

/** `"a" + name + "b"`: literals and names of templates that stand for strings. */
export interface StringSyntax {
  readonly kind: "string_parts";
  readonly position: number;
  readonly parts: readonly StringPart[];
}

/** `value` is undefined for the name of a template, else what the literal `text` means. */
export interface StringPart {
  readonly text: string;
  readonly value: string | undefined;
  readonly position: number;
}

/** A duration given by a template: `m[w]`, `offset -w`. */
export interface DurationTemplate {
  readonly kind: "duration_template";
  readonly position: number;
  readonly name: string;
  readonly isNegative: boolean;
}

export type DurationSyntax = DurationExpr | DurationTemplate;

/** A filter whose value may refer to templates. */
export interface FilterSyntax {
  readonly name: string;
  readonly op: LabelFilter["op"];
  readonly value: string | StringSyntax;
  readonly position?: number;
}

/** `{ct}`: a template that stands for a set of filters. */
export interface FilterTemplate {
  readonly template: string;
  readonly position: number;
}

export interface SelectorSyntax {
  readonly kind: "selector";
  readonly position: number;
  readonly groups: readonly (readonly (FilterSyntax | FilterTemplate)[])[];
}

export interface RollupSyntax extends Omit<RollupExpr, "inner" | "window" | "step" | "offset" | "at"> {
  readonly inner: Syntax;
  readonly window: DurationSyntax | undefined;
  readonly step: DurationSyntax | undefined;
  readonly offset: DurationSyntax | undefined;
  readonly at: Syntax | undefined;
}

export interface FunctionSyntax extends Omit<FunctionExpr, "args"> {
  readonly args: readonly Syntax[];
}

export interface AggregateSyntax extends Omit<AggregateExpr, "args"> {
  readonly args: readonly Syntax[];
  /** As written, since templates are found by exact name. */
  readonly writtenName?: string;
}

type Join = NonNullable<BinaryExpr["join"]>;

export interface JoinSyntax extends Omit<Join, "prefix"> {
  readonly prefix: string | StringSyntax;
}

export interface BinarySyntax extends Omit<BinaryExpr, "left" | "right" | "join"> {
  readonly left: Syntax;
  readonly right: Syntax;
  readonly join: JoinSyntax | undefined;
}

export interface UnarySyntax extends Omit<UnaryExpr, "operand"> {
  readonly operand: Syntax;
}

export interface ListSyntax extends Omit<ListExpr, "items"> {
  readonly items: readonly Syntax[];
}

/** `WITH (f(a, b) = ..., x = ...) body`. */
export interface WithSyntax {
  readonly kind: "with";
  readonly position: number;
  readonly templates: readonly TemplateSyntax[];
  readonly body: Syntax;
}

/** `f(a, b) = body`; `x() = body` and `x = body` are the same. */
export interface TemplateSyntax {
  readonly name: string;
  readonly parameters: readonly string[];
  readonly body: Syntax;
  readonly position: number;
}
