/** Every kind of metric prints the lines that the text format asks for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AssertionError } from "./assert.ts";
import { MetricRegistry } from "./metrics.ts";

test("metrics: families are sorted and carry help and type once", () => {
  const metrics = new MetricRegistry();
  metrics.counter("b_total", "Things.", { path: "/x" }).increment(2);
  metrics.counter("b_total", "Things.", { path: '/"q"\n' }).increment();
  metrics.counter("b_total", "Things.", { path: "/x" }).increment();
  metrics.gauge("a", "Line\nbreak.").set(-1.5);
  metrics.gauge("c", "Read.", {}, () => Infinity);
  const expected = [
    "# HELP a Line\\nbreak.", "# TYPE a gauge", "a -1.5",
    "# HELP b_total Things.", "# TYPE b_total counter", 'b_total{path="/\\"q\\"\\n"} 1', 'b_total{path="/x"} 3',
    "# HELP c Read.", "# TYPE c gauge", "c +Inf", "",
  ];
  assert.equal(metrics.print(), expected.join("\n"));
});

test("metrics: a summary keeps quantiles of the recent and the sum of all", () => {
  const metrics = new MetricRegistry();
  const summary = metrics.summary("d_seconds", "Duration.", { path: "/" });
  for (let i = 0; i < 600; i++) summary.observe(i);
  const page = metrics.print();
  assert.match(page, /d_seconds\{path="\/",quantile="0.5"\} 344\n/);
  assert.match(page, /d_seconds\{path="\/",quantile="1"\} 599\n/);
  assert.match(page, /d_seconds_sum\{path="\/"\} 179700\nd_seconds_count\{path="\/"\} 600\n/);
});

test("metrics: an untouched summary prints no quantiles", () => {
  const metrics = new MetricRegistry();
  metrics.summary("d_seconds", "Duration.");
  assert.equal(metrics.print(), "# HELP d_seconds Duration.\n# TYPE d_seconds summary\nd_seconds_sum 0\nd_seconds_count 0\n");
});

test("metrics: histogram buckets are cumulative", () => {
  const metrics = new MetricRegistry();
  const histogram = metrics.histogram("h", "Sizes.", [1, 10]);
  for (const value of [0.5, 1, 5, 100]) histogram.observe(value);
  assert.match(metrics.print(), /h_bucket\{le="1"\} 2\nh_bucket\{le="10"\} 3\nh_bucket\{le="\+Inf"\} 4\nh_sum 106.5\nh_count 4\n$/);
});

test("metrics: collectors run before printing; a name has one type", () => {
  const metrics = new MetricRegistry();
  const gauge = metrics.gauge("g", "Set late.");
  metrics.onCollect(() => gauge.set(7));
  assert.match(metrics.print(), /\ng 7\n/);
  assert.throws(() => metrics.counter("g", "Set late."), AssertionError);
});
