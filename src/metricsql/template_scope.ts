/**
 * What names of WITH templates mean at a place of the query. Scopes are lexical: the body of a template sees the templates
 * before it and around it, never itself, so templates cannot recurse; arguments are expanded where they are written.
 */
import type { Expr } from "./ast.ts";
import type { Cost } from "./expansion_budget.ts";
import type { TemplateSyntax } from "./syntax.ts";

/** A template with the scope of its body, or the expanded argument of a parameter. */
export type Binding = TemplateBinding | ValueBinding;

export interface TemplateBinding {
  readonly kind: "template";
  readonly template: TemplateSyntax;
  readonly scope: Scope;
}

export interface ValueBinding {
  readonly kind: "value";
  readonly expr: Expr;
  readonly cost: Cost;
}

type Templates = ReadonlyMap<string, { readonly template: TemplateSyntax; readonly index: number }>;
type Values = ReadonlyMap<string, ValueBinding>;

/** One level of names inside an outer one. */
export class Scope {
  readonly #parent: Scope | undefined;
  readonly #templates: Templates;
  readonly #values: Values;
  /** Only the first so many templates can be seen here. */
  readonly #visibleCount: number;

  private constructor(parent: Scope | undefined, templates: Templates, values: Values, visibleCount: number) {
    this.#parent = parent;
    this.#templates = templates;
    this.#values = values;
    this.#visibleCount = visibleCount;
  }

  static readonly empty = new Scope(undefined, new Map(), new Map(), 0);

  /** A scope inside this one that sees all of `templates`. */
  withTemplates(templates: readonly TemplateSyntax[]): Scope {
    const entries = new Map(templates.map((template, index) => [template.name, { template, index }]));
    return new Scope(this, entries, new Map(), templates.length);
  }

  /** A scope inside this one with the arguments of a call. */
  withValues(values: ReadonlyMap<string, ValueBinding>): Scope {
    return values.size === 0 ? this : new Scope(this, new Map(), values, 0);
  }

  find(name: string): Binding | undefined {
    const value = this.#values.get(name);
    if (value !== undefined) return value;
    const entry = this.#templates.get(name);
    if (entry === undefined || entry.index >= this.#visibleCount) return this.#parent?.find(name);
    return { kind: "template", template: entry.template, scope: new Scope(this.#parent, this.#templates, this.#values, entry.index) };
  }
}
