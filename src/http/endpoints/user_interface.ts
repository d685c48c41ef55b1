/** The UI at /, its assets, and where VictoriaMetrics and Prometheus have theirs. */
import { InputError } from "../../base/errors.ts";
import type { Exchange } from "../exchange.ts";
import type { Route } from "../router.ts";
import type { StaticFiles } from "../static_files.ts";

const notBuilt = "Tidemark is running, but its UI is not built: run \"npm run build:web\".\n";

/** Pages of the UI: one document, which looks at the path. */
const pages = ["/", "/explore"];

/** Redirects are relative, so that they work behind a proxy that adds a path. */
const redirects = [
  { path: "/vmui", target: "./" },
  { path: "/vmui/", target: "../" },
  { path: "/graph", target: "./" },
  { path: "/graph/", target: "../" },
];

export function userInterfaceRoutes(files: StaticFiles | undefined): Route[] {
  const send = (exchange: Exchange, path: string): void => {
    if (files?.send(exchange, path) !== true) throw new InputError("not_found", `nothing is served at ${exchange.path}`);
  };
  const sendPage = (exchange: Exchange): void => {
    if (files === undefined) exchange.send(200, "text/plain; charset=utf-8", notBuilt);
    else send(exchange, "index.html");
  };
  return [
    ...pages.map((path): Route => ({ path, methods: ["GET"], handle: sendPage })),
    { path: "/assets/*", methods: ["GET"], handle: (exchange) => send(exchange, `assets/${exchange.variables[0]}`) },
    { path: "/favicon.ico", methods: ["GET"], handle: (exchange) => send(exchange, "favicon.ico") },
    { path: "/favicon.svg", methods: ["GET"], handle: (exchange) => send(exchange, "favicon.svg") },
    { path: "/prometheus", methods: ["GET"], handle: (exchange) => redirect(exchange, "prometheus/") },
    ...redirects.map(({ path, target }): Route => ({ path, methods: ["GET"], handle: (exchange) => redirect(exchange, target) })),
  ];
}

function redirect(exchange: Exchange, target: string): void {
  exchange.sendEmpty(302, { Location: exchange.queryText === "" ? target : `${target}?${exchange.queryText}` });
}
