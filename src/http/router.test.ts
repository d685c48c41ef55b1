/** Which path leads where, and what is said when none does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../base/errors.ts";
import { type Method, type Route, Router } from "./router.ts";

function route(path: string, methods: readonly Method[] = ["GET"]): Route {
  return { path, methods, handle() {} };
}

const router = new Router([route("/"), route("/api/v1/query", ["GET", "POST"]), route("/api/v1/label/{name}/values"), route("/api/v1/write", ["POST"]), route("/assets/*"), route("/api/v1/import/prometheus/*", ["POST"])]);

const found: { path: string; method?: string; route: string; variables?: string[] }[] = [
  { path: "/", route: "/" },
  { path: "/prometheus/", route: "/" },
  { path: "/api/v1/query", route: "/api/v1/query" },
  { path: "/api/v1/query", method: "HEAD", route: "/api/v1/query" },
  { path: "/prometheus/api/v1/query", method: "POST", route: "/api/v1/query" },
  { path: "//api/v1//query", route: "/api/v1/query" },
  { path: "/prometheus//api/v1/write", method: "POST", route: "/api/v1/write" },
  { path: "/api/v1/label/job/values", route: "/api/v1/label/{name}/values", variables: ["job"] },
  { path: "/api/v1/label/a%2Fb%20c/values", route: "/api/v1/label/{name}/values", variables: ["a/b c"] },
  { path: "/assets/main-ABC.js", route: "/assets/*", variables: ["main-ABC.js"] },
  { path: "/api/v1/import/prometheus/metrics/job/x", method: "POST", route: "/api/v1/import/prometheus/*", variables: ["metrics/job/x"] },
];

for (const row of found) {
  test(`router: ${row.method ?? "GET"} ${row.path}`, () => {
    const match = router.match(row.path, row.method ?? "GET");
    assert.equal(match.route.path, row.route);
    assert.deepEqual(match.variables, row.variables ?? []);
  });
}

const refused: { path: string; method?: string; code: string; message: RegExp }[] = [
  { path: "/api/v1/qury", code: "not_found", message: /nothing is served at \/api\/v1\/qury; did you mean \/api\/v1\/query\?/ },
  { path: "/prometheus/api/v1/writ", code: "not_found", message: /did you mean \/api\/v1\/write\?/ },
  { path: "/some/thing/else/altogether", code: "not_found", message: /docs\/http-api.md/ },
  { path: "/api/v2/write", code: "not_found", message: /did you mean \/api\/v1\/write\?/ },
  { path: "/write", code: "not_found", message: /did you mean \/api\/v1\/write\?/ },
  { path: "/select/0/prometheus/api/v1/query", code: "not_found", message: /did you mean \/api\/v1\/query\?/ },
  { path: "/api/v1/label/job/value", code: "not_found", message: /did you mean \/api\/v1\/label\/\{name\}\/values\?/ },
  { path: "/api/v1/rules", code: "not_found", message: /docs\/http-api.md/ },
  { path: "/targets", code: "not_found", message: /docs\/http-api.md/ },
  { path: "/api/v1/query/", code: "not_found", message: /did you mean \/api\/v1\/query\?/ },
  { path: "/api/v1/label//values", code: "not_found", message: /nothing/ },
  { path: "/prometheus", code: "not_found", message: /nothing/ },
  { path: "/api/v1/write", method: "GET", code: "method_not_allowed", message: /with POST, not GET/ },
  { path: "/api/v1/query", method: "DELETE", code: "method_not_allowed", message: /with GET or POST, not DELETE/ },
  { path: "/api/v1/label/%zz/values", code: "bad_argument", message: /bad escape/ },
];

for (const row of refused) {
  test(`router: ${row.method ?? "GET"} ${row.path} is refused`, () => {
    assert.throws(() => router.match(row.path, row.method ?? "GET"), (error) => error instanceof InputError && error.code === row.code && row.message.test(error.message));
  });
}
