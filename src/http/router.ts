/**
 * Paths to endpoints. Paths are exact; `{name}` stands for one segment, a `*` at the end for the rest. Everything is served below
 * /prometheus too. An unknown path is answered with the nearest known one, a wrong method with the right ones.
 */
import { assert } from "../base/assert.ts";
import { InputError } from "../base/errors.ts";
import { nearestName } from "../base/nearest_name.ts";
import type { Exchange } from "./exchange.ts";

export type Method = "GET" | "POST" | "PUT" | "DELETE";

/** One endpoint. HEAD is served where GET is. */
export interface Route {
  readonly path: string;
  readonly methods: readonly Method[];
  /** Answers the request or throws a typed error. */
  handle(exchange: Exchange): Promise<void> | void;
}

export interface RouteMatch {
  readonly route: Route;
  readonly variables: readonly string[];
}

interface Pattern {
  readonly route: Route;
  readonly expression: RegExp;
}

const prefix = "/prometheus";

export class Router {
  readonly routes: readonly Route[];
  readonly #exact = new Map<string, Route>();
  readonly #patterns: readonly Pattern[];

  constructor(routes: readonly Route[]) {
    this.routes = routes;
    for (const route of routes.filter(({ path }) => !/[{*]/.test(path))) {
      assert(!this.#exact.has(route.path), `two routes for ${route.path}`);
      this.#exact.set(route.path, route);
    }
    this.#patterns = routes.filter(({ path }) => /[{*]/.test(path)).map((route) => ({ route, expression: expressionOf(route.path) }));
  }

  /** The route of a path, or undefined. Throws InputError if a part of the path is not decodable. */
  find(path: string): RouteMatch | undefined {
    const exact = this.#exact.get(path);
    if (exact !== undefined) return { route: exact, variables: [] };
    const plain = plainPath(path);
    const route = this.#exact.get(plain);
    if (route !== undefined) return { route, variables: [] };
    for (const pattern of this.#patterns) {
      const match = pattern.expression.exec(plain);
      if (match !== null) return { route: pattern.route, variables: match.slice(1).map((part) => decode(part)) };
    }
    return undefined;
  }

  /** As find, but throws the errors for unknown paths and wrong methods. */
  match(path: string, method: string): RouteMatch {
    return this.checked(this.find(path), path, method);
  }

  /** What find() has found for a path, or the errors for unknown paths and wrong methods. */
  checked(match: RouteMatch | undefined, path: string, method: string): RouteMatch {
    if (match === undefined) throw unknownPath(path, this.routes);
    const methods: readonly string[] = match.route.methods;
    if (!methods.includes(method) && !(method === "HEAD" && methods.includes("GET"))) {
      throw new InputError("method_not_allowed", `${path} is asked for with ${methods.join(" or ")}, not ${method}`);
    }
    return match;
  }
}

/** Without repeated slashes and the prefix that stands for nothing. */
function plainPath(path: string): string {
  const single = path.replace(/\/{2,}/g, "/");
  return single.startsWith(`${prefix}/`) ? single.slice(prefix.length) : single;
}

function expressionOf(path: string): RegExp {
  const source = path.split("/").map((segment) => {
    if (segment === "*") return "(.*)";
    return /^\{.*\}$/.test(segment) ? "([^/]+)" : segment.replace(/[.+?^$()[\]\\|{}*]/g, "\\$&");
  });
  return new RegExp(`^${source.join("/")}$`);
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw new InputError("bad_argument", `bad escape in the path: ${part}`, { cause });
  }
}

function unknownPath(path: string, routes: readonly Route[]): InputError {
  const known = routes.map((route) => route.path.replace(/\/?\*$/, "")).filter((known) => known.length > 1);
  const nearest = nearestPath(plainPath(path).replace(/\/$/, ""), known);
  const hint = nearest === undefined ? "see docs/http-api.md for what is served" : `did you mean ${nearest}?`;
  return new InputError("not_found", `nothing is served at ${path}; ${hint}`);
}

/** A known path that differs by slips of the pen only, or one that ends alike; /api/v1/rules is not meant to be /api/v1/write. */
function nearestPath(path: string, known: readonly string[]): string | undefined {
  const segments = path.split("/");
  const alike = known.filter((candidate) => {
    const others = candidate.split("/");
    return others.length === segments.length && others.every((other, i) => other.startsWith("{") || nearestName(segments[i], [other]) !== undefined);
  });
  const sameEnd = known.filter((candidate) => candidate.split("/").at(-1) === segments.at(-1));
  return nearestName(path, alike) ?? nearestName(path, sameEnd) ?? alike[0] ?? sameEnd[0];
}
