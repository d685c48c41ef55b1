/** A condition on one label. Regular expressions are RE2 syntax, anchored at both ends. A missing label has the value "". */
export interface Matcher {
  readonly name: string;
  readonly op: "=" | "!=" | "=~" | "!~";
  readonly value: string;
}

/**
 * Picks series: an `or` of `and`-groups. A series matches when all matchers of at least one group match it.
 * `[[]]` matches everything; `[]` nothing.
 */
export type Selector = readonly (readonly Matcher[])[];

/** The tenant is part of every series key; the single node uses 0:0. */
export interface Tenant {
  readonly accountId: number;
  readonly projectId: number;
}

export const defaultTenant: Tenant = { accountId: 0, projectId: 0 };
