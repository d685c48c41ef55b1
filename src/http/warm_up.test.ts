// Shows that the warm-up asks its requests in turn and that all of them are answered; that nothing of it is seen in what counts and lists requests; that it waits
// while real requests come, leaves out what takes long, and ends when its time is spent or the server stops.
import assert from "node:assert/strict";
import test from "node:test";
import { type HttpNode, startHttpNode } from "../../testkit/http_node.ts";
import { systemClock } from "../base/clock.ts";
import { MetricRegistry } from "../base/metrics.ts";
import { createMemory, Kernel } from "../kernel/kernel.ts";
import { parseExpr } from "../metricsql/parser.ts";
import { labelsOf } from "../model/labels.ts";
import { Engine } from "../query/engine.ts";
import { encodeResult } from "../query/result_encoder.ts";
import { ActiveQueries } from "./active_queries.ts";
import type { Api } from "./api.ts";
import { apiRoutes } from "./api_routes.ts";
import type { QueryRunner } from "./query_runner.ts";
import { QueryStatistics } from "./query_statistics.ts";
import type { Route } from "./router.ts";
import { WarmUp, type WarmUpOptions } from "./warm_up.ts";
import { warmUpRequests } from "./warm_up_requests.ts";

const endMs = 1_700_000_000_000;
const series = [0, 1, 2].map((i) => labelsOf({ __name__: `metric_${i}`, host: `h${i}`, job: "a" }));

function runnerOver(api: Api): QueryRunner {
  const kernel = new Kernel(createMemory(1 << 20));
  const engine = new Engine({ store: api.store, kernel, nowMs: () => endMs });
  return {
    instant: async (request) => ({ body: encodeResult(await engine.instant(request), kernel) }),
    range: async (request) => ({ body: encodeResult(await engine.range(request), kernel) }),
  };
}

/** The routes with counters of their own, and what they have answered. */
function ownRoutes(api: Api): { routes: Route[]; statuses: number[]; targets: string[] } {
  const own: Api = { ...api, queryRunner: runnerOver(api), activeQueries: new ActiveQueries(systemClock), queryStatistics: new QueryStatistics(api.queryStatistics.options), metrics: new MetricRegistry() };
  const [statuses, targets]: [number[], string[]] = [[], []];
  const routes = apiRoutes(own).map((route): Route => ({
    ...route,
    async handle(exchange) {
      exchange.response.once("finish", () => statuses.push(exchange.response.statusCode));
      targets.push(exchange.path);
      await route.handle(exchange);
    },
  }));
  return { routes, statuses, targets };
}

function start(routes: readonly Route[], more: Partial<WarmUpOptions> = {}): WarmUp {
  return new WarmUp({ clock: systemClock, routes, requests: warmUpRequests({ series, endMs, dialect: "metricsql" }), lastRequestMs: () => -Infinity, cpuMs: () => 0, cpuMsMax: 1, ...more });
}

/** A clock that has gone on by `stepMs` whenever it is looked at. */
function steps(stepMs: number): () => number {
  let nowMs = 0;
  return () => (nowMs += stepMs);
}

async function metricsOf(node: HttpNode): Promise<string> {
  return (await (await fetch(`${node.url}/metrics`)).text()).split("\n").filter((line) => !line.includes('path="/metrics"')).join("\n");
}

test("warm-up requests: queries can be parsed in their dialect", () => {
  for (const dialect of ["metricsql", "promql"] as const) {
    const requests = warmUpRequests({ series, endMs, dialect });
    const queries = new Set(requests.flatMap((request) => /[?\n]query=([^& \r]+)/.exec(request)?.[1] ?? []));
    assert.ok(queries.size > 40, `${queries.size} queries`);
    for (const query of queries) parseExpr(decodeURIComponent(query), { dialect });
  }
  assert.deepEqual(warmUpRequests({ series: [labelsOf({ __name__: "a b", host: "x" }), labelsOf({ __name__: "alone" })], endMs, dialect: "metricsql" }), []);
});

test("warm-up: all requests are answered, and none is counted", { timeout: 30_000 }, async () => {
  await using node = await startHttpNode();
  const lines = series.map((_, i) => `metric_${i}{host="h${i}",job="a"} ${i} ${endMs - 60_000}\n`);
  assert.equal((await fetch(`${node.url}/api/v1/import/prometheus`, { method: "POST", body: lines.join("") })).status, 204);
  await metricsOf(node);
  const before = await metricsOf(node);
  const { routes, statuses, targets } = ownRoutes(node.api);
  const requests = warmUpRequests({ series, endMs, dialect: "metricsql" });
  using warmUp = start(routes, { requests, cpuMs: steps(0.5), cpuMsMax: 0.5 * (requests.length + 1) });
  await warmUp.finished;
  assert.ok(warmUp.answered > requests.length, `${warmUp.answered} answers`);
  assert.deepEqual([...new Set(statuses)], [200]);
  assert.deepEqual(new Set(targets), new Set(["/api/v1/query", "/api/v1/query_range", "/api/v1/labels", "/api/v1/series", "/api/v1/label/host/values", "/api/v1/label/job/values"]));
  assert.deepEqual(node.api.queryStatistics.groups(Infinity), []);
  assert.equal(await metricsOf(node), before);
});

test("warm-up: it waits while requests come, and goes on when they are over", { timeout: 30_000 }, async () => {
  await using node = await startHttpNode();
  const { routes } = ownRoutes(node.api);
  let looks = 0;
  using warmUp = start(routes, { cpuMs: steps(0.5), cpuMsMax: 5, lastRequestMs: () => (++looks <= 20 ? systemClock.monotonicMs() : -Infinity) });
  while (looks < 20) {
    assert.equal(warmUp.answered, 0);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await warmUp.finished;
  assert.ok(warmUp.answered >= 10);
});

test("warm-up: what takes long is asked a few times only", { timeout: 30_000 }, async () => {
  await using node = await startHttpNode();
  const { routes, targets } = ownRoutes(node.api);
  const requests = warmUpRequests({ series, endMs, dialect: "metricsql" }).slice(0, 3);
  using warmUp = start(routes, { requests, cpuMs: steps(100), cpuMsMax: Infinity });
  await warmUp.finished;
  assert.equal(targets.length, 4 * requests.length);
});

test("warm-up: it ends when nothing is to be asked, and when the server stops", { timeout: 30_000 }, async () => {
  await using node = await startHttpNode();
  const { routes } = ownRoutes(node.api);
  using nothing = start(routes, { requests: [] });
  await nothing.finished;
  const warmUp = start(routes);
  while (warmUp.answered < 5) await new Promise((resolve) => setImmediate(resolve));
  warmUp[Symbol.dispose]();
  await warmUp.finished;
  const { answered } = warmUp;
  await fetch(`${node.url}/metrics`);
  assert.equal(warmUp.answered, answered);
});
