// Scrape configurations: what good files mean, and what is said about bad ones, with exact positions.
import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../base/errors.ts";
import { labelsOf } from "../model/labels.ts";
import { parseScrapeConfig, type ScrapeConfig } from "./scrape_config.ts";

const parse = (text: string, environment: Record<string, string> = {}): ScrapeConfig => parseScrapeConfig(text, "/etc/p.yml", environment);

test("defaults are those of VictoriaMetrics and Prometheus", () => {
  const { jobs, externalLabels, warnings } = parse("scrape_configs:\n- job_name: node\n");
  const [job] = jobs;
  assert.deepEqual(
    [job.name, job.intervalMs, job.timeoutMs, job.metricsPath, job.scheme, job.honorLabels, job.honorTimestamps, job.sendsStaleMarkers],
    ["node", 60_000, 10_000, "/metrics", "http", false, false, true],
  );
  assert.deepEqual(job.limits, { sampleLimit: 0, labelLimit: 0, labelNameLengthLimit: 0, labelValueLengthLimit: 0, bodyBytesMax: 16 << 20 });
  assert.deepEqual([job.http.authorization, job.http.followsRedirects, job.http.acceptsGzip, job.http.keepsAlive], [{ kind: "none" }, true, true, true]);
  assert.deepEqual([externalLabels, warnings], [[], []]);
});

test("a file with everything", () => {
  const { jobs, externalLabels, warnings } = parse(`
global:
  scrape_interval: 30s
  scrape_timeout: 5s
  evaluation_interval: 15s
  external_labels: {dc: east, n: 1}
  sample_limit: 1000
  body_size_limit: 10MB
rule_files: [rules.yml]
scrape_configs:
- job_name: first
  scrape_interval: 1m30s
  metrics_path: /m
  scheme: https
  honor_labels: true
  honor_timestamps: yes
  params:
    module: [a, b]
  basic_auth: {username: u, password_file: secrets/p}
  headers: ["X-Scope: t1"]
  http_headers: {X-More: {values: [v], files: [/h]}}
  tls_config: {ca_file: ca.pem, insecure_skip_verify: true, server_name: s, min_version: TLS12}
  follow_redirects: false
  enable_compression: false
  sample_limit: 0
  static_configs:
  - targets: ["a:1", 'http://b/x']
    labels: {env: prod, shard: 07}
  file_sd_configs:
  - files: [targets/*.yml]
    refresh_interval: 10s
  relabel_configs: &rules
  - {source_labels: [__address__], target_label: host, regex: '([^:]+):.*'}
- job_name: second
  scrape_timeout: 7s
  max_scrape_size: 1MiB
  bearer_token: t
  relabel_configs: *rules
`);
  const [first, second] = jobs;
  assert.deepEqual(externalLabels, labelsOf({ dc: "east", n: "1" }));
  assert.deepEqual([first.intervalMs, first.timeoutMs, second.intervalMs, second.timeoutMs], [90_000, 5_000, 30_000, 7_000]);
  assert.deepEqual([first.limits.sampleLimit, second.limits.sampleLimit, first.limits.bodyBytesMax, second.limits.bodyBytesMax], [0, 1000, 10_000_000, 1 << 20]);
  assert.deepEqual([first.honorLabels, first.honorTimestamps, first.scheme, first.metricsPath], [true, true, "https", "/m"]);
  assert.deepEqual([...first.params], [["module", ["a", "b"]]]);
  assert.deepEqual(first.http, {
    authorization: { kind: "basic", username: { text: "u" }, password: { file: "/etc/secrets/p" } },
    headers: [{ name: "X-Scope", value: { text: "t1" } }, { name: "X-More", value: { text: "v" } }, { name: "X-More", value: { file: "/h" } }],
    tls: { ca: { file: "/etc/ca.pem" }, cert: undefined, key: undefined, serverName: "s", skipsVerification: true, minVersion: "TLSv1.2" },
    followsRedirects: false, acceptsGzip: false, keepsAlive: true,
  });
  assert.deepEqual(second.http.authorization, { kind: "header", type: "Bearer", credentials: { text: "t" } });
  assert.deepEqual(first.staticGroups, [{ targets: ["a:1", "http://b/x"], labels: new Map([["env", "prod"], ["shard", "07"]]) }]);
  assert.deepEqual(first.fileDiscoveries, [{ patterns: ["/etc/targets/*.yml"], refreshMs: 10_000 }]);
  const labels = new Map([["__address__", "h:1"]]);
  assert.ok(second.relabelRules.apply(labels));
  assert.equal(labels.get("host"), "h");
  assert.deepEqual(warnings, [
    "/etc/p.yml:5:24: global.evaluation_interval: ignored: rules are not evaluated yet",
    "/etc/p.yml:9:13: rule_files: ignored: rules are not evaluated yet",
  ]);
});

test("settings keys tell what matters apart", () => {
  const key = (more: string, global = ""): string => parse(`global: {${global}}\nscrape_configs:\n- job_name: j\n${more}`).jobs[0].settingsKey;
  assert.equal(key(""), key("  static_configs: [{targets: [a]}]\n  # comment\n  scrape_interval: 1m\n"));
  const different = ["", "  scrape_interval: 2m\n", "  honor_labels: true\n", "  metric_relabel_configs: [{action: drop, source_labels: [a], regex: x}]\n",
    "  metric_relabel_configs: [{action: drop, source_labels: [a], regex: y}]\n", "  bearer_token: a\n", "  sample_limit: 5\n", "  params: {a: [b]}\n"];
  assert.equal(new Set([...different.map((more) => key(more)), key("", "external_labels: {a: b}")]).size, different.length + 1);
});

test("environment variables", () => {
  const { jobs } = parse("scrape_configs: [{job_name: '%{JOB}', scrape_interval: %{EVERY}}]", { JOB: "x", EVERY: "5s" });
  assert.deepEqual([jobs[0].name, jobs[0].intervalMs], ["x", 5_000]);
});

test("an empty file scrapes nothing", () => {
  for (const text of ["", "# nothing\n", "global:\nscrape_configs:\n", "{}"]) assert.deepEqual(parse(text).jobs, []);
});

/** `lines` are all the problems, without the file name. */
const badRows: { name: string; text: string; lines: readonly (string | RegExp)[] }[] = [
  { name: "broken YAML", text: "scrape_configs:\n- job_name: [a\n", lines: [/^3:1: bad YAML: Flow sequence/] },
  { name: "a tab", text: "global:\n\tscrape_interval: 1s\n", lines: [/^2:1: bad YAML: Tabs/] },
  { name: "a key twice", text: "global: {}\nglobal: {}\n", lines: ["2:1: bad YAML: Map keys must be unique"] },
  { name: "not a map", text: "- a\n", lines: ["1:1: expected a map with keys such as global, found a list"] },
  { name: "an unknown section", text: "scrape_confgs: []\n", lines: ["1:1: scrape_confgs: unknown key; did you mean scrape_configs?"] },
  {
    name: "all mistakes are reported, in the order of the lines",
    text: "global:\n  scrape_interval: 1x\n  scrape_time: 1s\nscrape_configs:\n- job_name: a\n  scheme: ftp\n  honor_labels: maybe\n  static_config: []\n- scrape_interval: 0s\n",
    lines: [
      '2:20: global.scrape_interval: bad value "1x"; allowed: a duration such as 15s, 1m30s or 500ms',
      "3:3: global.scrape_time: unknown key; did you mean scrape_timeout?",
      '6:11: scrape_configs[0].scheme: bad value "ftp"; allowed: http, https',
      '7:17: scrape_configs[0].honor_labels: bad value "maybe"; allowed: true or false',
      "8:3: scrape_configs[0].static_config: unknown key; did you mean static_configs?",
      "9:3: scrape_configs[1]: job_name is missing or empty",
      "9:20: scrape_configs[1].scrape_interval: must be more than 0",
    ],
  },
  {
    name: "jobs of the same name", text: "scrape_configs:\n- job_name: a\n- job_name: b\n- job_name: a\n",
    lines: ['4:3: scrape_configs[2].job_name: there is a job "a" in line 2 already'],
  },
  {
    name: "a timeout longer than the interval", text: "scrape_configs:\n- job_name: a\n  scrape_interval: 5s\n  scrape_timeout: 6s\n",
    lines: ["4:3: scrape_configs[0].scrape_timeout: must not be longer than scrape_interval (5s)"],
  },
  {
    name: "service discoveries that are not there yet", text: "scrape_configs:\n- job_name: a\n  kubernetes_sd_configs:\n  - role: pod\n",
    lines: ["4:3: scrape_configs[0].kubernetes_sd_configs: not supported yet; use static_configs or file_sd_configs"],
  },
  { name: "known keys that would change what is scraped", text: "scrape_configs:\n- job_name: a\n  proxy_url: http://p\n", lines: ["3:14: scrape_configs[0].proxy_url: not supported yet"] },
  {
    name: "targets", text: "scrape_configs:\n- job_name: a\n  static_configs:\n  - targets: a:1\n  - targets: ['', b:1]\n    labels: [x]\n  - a:1\n",
    lines: [
      "4:14: scrape_configs[0].static_configs[0].targets: expected a list, found \"a:1\"",
      "5:15: scrape_configs[0].static_configs[1].targets[0]: bad address; allowed: host:port or a URL",
      "6:13: scrape_configs[0].static_configs[1].labels: expected a map, found a list",
      "7:5: scrape_configs[0].static_configs[2]: expected a map with keys such as targets, found \"a:1\"",
    ],
  },
  {
    name: "files", text: "scrape_configs:\n- job_name: a\n  file_sd_configs:\n  - files: [a.txt]\n  - refresh_interval: 5s\n",
    lines: [
      "4:13: scrape_configs[0].file_sd_configs[0].files[0]: bad file name; allowed: paths that end with .json, .yml or .yaml, wildcards * ? [ ]",
      "5:5: scrape_configs[0].file_sd_configs[1]: files is missing",
    ],
  },
  {
    name: "rules", lines: [
      /^4:30: scrape_configs\[0\].relabel_configs\[0\].regex: cannot parse regexp "\(": missing closing/,
      "5:5: scrape_configs[0].relabel_configs[1]: action keep needs source_labels or if",
      /^6:13: scrape_configs\[0\].relabel_configs\[2\].action: bad value "delete"; allowed: replace, replace_all, keep, drop/,
      "7:35: scrape_configs[0].relabel_configs[3].modulus: bad value \"0\"; allowed: a whole number from 1 to 9007199254740991",
      /^8:24: scrape_configs\[0\].relabel_configs\[4\].if: /,
    ],
    text: "scrape_configs:\n- job_name: a\n  relabel_configs:\n  - {target_label: x, regex: '(', source_labels: [a]}\n  - action: keep\n  - action: delete\n  - {action: hashmod,    modulus: 0}\n  - {action: drop, if: 'x{'}\n",
  },
  {
    name: "credentials", text: "scrape_configs:\n- job_name: a\n  basic_auth: {password: x}\n  bearer_token: y\n  authorization: {type: Basic}\n",
    lines: [
      "3:3: scrape_configs[0].basic_auth: username or username_file is missing",
      "5:3: scrape_configs[0]: only one of basic_auth and authorization and bearer_token can be used",
    ],
  },
  { name: "sizes", text: "scrape_configs:\n- job_name: a\n  body_size_limit: lots\n", lines: ["3:20: scrape_configs[0].body_size_limit: bad size; allowed: bytes such as 1048576, 10MB or 16MiB; 0 is no limit"] },
  { name: "environment variables that are not there", text: "# x\nglobal: {scrape_interval: %{NO}}\n", lines: ['2:27: there is no environment variable "NO"', /^2:27: global.scrape_interval: bad value/] },
  { name: "external labels", text: "global:\n  external_labels: {__name__: x}\n", lines: ["2:21: global.external_labels.__name__: bad label name; it must not be empty or begin with __"] },
  { name: "an anchor that is not there", text: "global: *nothing\n", lines: [/^1:9: .*nothing/] },
];

for (const row of badRows) {
  test(`refused: ${row.name}`, () => {
    assert.throws(() => parse(row.text), (error) => {
      assert.ok(error instanceof InputError);
      assert.equal(error.code, "bad_config");
      const lines = error.message.split("\n").map((line) => line.replace("/etc/p.yml:", ""));
      assert.equal(lines.length, row.lines.length, error.message);
      row.lines.forEach((expected, i) => (typeof expected === "string" ? assert.equal(lines[i], expected) : assert.match(lines[i], expected)));
      return true;
    });
  });
}

test("hostile files end with an error, soon", () => {
  const bomb = `a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n${Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array.from({ length: 10 }, () => `*a${i}`).join(",")}]`).join("\n")}\n`;
  const texts = [bomb, "a: &a [*a]\n", `${"[".repeat(5_000)}`, "{".repeat(200) + "}".repeat(200), "global: \u0000\n", Array.from({ length: 1_000 }, (_, i) => `x${i}: 1`).join("\n")];
  for (const text of texts) {
    assert.throws(() => parse(text), (error) => error instanceof InputError && error.message.split("\n").length <= 51);
  }
});
