// Every state of the Explore page against the fake API: looks (screenshots, contrast, names, overflow), keyboard and mouse, and the
// budgets of JavaScript, main thread and document.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import { chromiumPath, launchChromium, openPage, takeScreenshot, wide } from "./browser.ts";
import type { WatchedPage } from "./browser.ts";
import { countSeriesPixels, waitForLine } from "./canvas_pixels.ts";
import { startFakeApi } from "./fake_api.ts";
import type { FakeApi } from "./fake_api.ts";
import { checkPage } from "./page_checks.ts";

const executablePath = chromiumPath();
const options = { skip: executablePath === undefined ? "PEER MISSING: chromium" : false };
let api: FakeApi;
let browser: Browser;

before(async () => {
  if (executablePath === undefined) return;
  [api, browser] = await Promise.all([startFakeApi(), launchChromium(executablePath)]);
});

after(async () => {
  await browser?.close();
  await api?.[Symbol.asyncDispose]();
});

function explore(expression: string, rest = ""): string {
  return `${api.url}explore?g0.expr=${encodeURIComponent(expression)}${rest}`;
}

async function open(url: string): Promise<WatchedPage> {
  return openPage(browser, wide, url);
}

async function finish({ page, complaints }: WatchedPage): Promise<void> {
  assert.deepEqual(complaints, []);
  await page.context().close();
}

const states: readonly { name: string; expression: string; rest?: string; shown: string }[] = [
  { name: "start", expression: "", shown: "text=Ask for a metric" },
  { name: "lines", expression: "cpu", shown: ".series-button" },
  { name: "gaps", expression: "gaps", rest: "&g0.range_input=6h", shown: ".series-button" },
  { name: "two-queries", expression: "up", rest: "&g1.expr=cpu", shown: ".series-button" },
  { name: "table", expression: "cpu", rest: "&g0.tab=table", shown: "td.number" },
  { name: "json", expression: "cpu", rest: "&g0.tab=json", shown: ".json-text" },
  { name: "syntax-error", expression: "sum(rate(up[5m])", shown: "text=line 1, column 17" },
  { name: "server-error", expression: "broken", shown: "text=no storage answers" },
  { name: "empty", expression: "rate(node_cpu_second_total[5m])", shown: "text=Did you mean" },
  { name: "hint", expression: 'unknown_metric{job="nod"}', shown: 'text=did you mean job="node"?' },
  { name: "partial", expression: "partial", shown: "text=The result is partial" },
  { name: "many", expression: "many", rest: "&g0.range_input=15m", shown: "text=200 of 3,700 series are drawn" },
];

for (const { name, expression, rest, shown } of states) {
  for (const look of [wide, { ...wide, theme: "dark" as const }, { width: 360, height: 780, theme: "light" as const }]) {
    test(`state: ${name}, ${look.width} px, ${look.theme}`, options, async () => {
      const watched = await openPage(browser, look, explore(expression, rest));
      await watched.page.locator(shown).first().waitFor();
      await watched.page.locator("[aria-busy=false]").waitFor();
      await takeScreenshot(watched.page, `${name}-${look.width}-${look.theme}`);
      assert.deepEqual(await checkPage(watched.page), []);
      await finish(watched);
    });
  }
}

async function plotBox(page: Page): Promise<{ x: number; y: number; width: number; height: number }> {
  return (await page.locator(".u-over").boundingBox())!;
}

test("graph: crosshair, pinned readings, zoom by dragging over them, back", options, async () => {
  const watched = await open(explore("cpu", "&g0.range_input=1h&g0.end_input=2026-11-21T10:00:00Z"));
  const { page } = watched;
  await waitForLine(page);
  const box = await plotBox(page);
  await page.mouse.move(box.x + box.width * 0.3, box.y + box.height * 0.3);
  await page.locator(".reading dd", { hasText: "127.0.0.1:9100" }).first().waitFor();
  await page.mouse.down();
  await page.mouse.up();
  await page.getByRole("group", { name: "Pinned reading" }).waitFor();
  await takeScreenshot(page, "pinned-1280-light");
  assert.deepEqual(await checkPage(page), []);
  await page.mouse.move(box.x + box.width * 0.25, box.y + box.height * 0.6);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.5, box.y + box.height * 0.6, { steps: 5 });
  await page.mouse.up();
  await page.waitForURL(/end_input=2026-11-21T09:30:0\d/);
  assert.match(page.url(), /range_input=(15m|14m5\ds|15m\ds)&/);
  await waitForLine(page);
  await page.getByRole("button", { name: "Back to the previous view" }).click();
  await page.waitForURL(/range_input=1h/);
  await finish(watched);
});

test("graph: readings by keyboard are spoken and pinned", options, async () => {
  const watched = await open(explore("up"));
  const { page } = watched;
  await waitForLine(page);
  await page.getByRole("application").focus();
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("ArrowDown");
  assert.match(await page.locator(".graph [role=status]").innerText(), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d, .*prometheus.*: [01]$/);
  await page.keyboard.press("Enter");
  await page.getByRole("group", { name: "Pinned reading" }).waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await page.getByRole("group", { name: "Pinned reading" }).count(), 0);
  await finish(watched);
});

test("legend: isolate, filter, sort", options, async () => {
  const watched = await open(explore("cpu"));
  const { page } = watched;
  await waitForLine(page);
  const first = page.locator(".series-button").first();
  await page.locator(".series-button").nth(5).click();
  await page.waitForFunction(() => document.querySelectorAll("tr.dimmed").length === 15);
  assert.equal(await countSeriesPixels(page, 0), 0, "the first series is hidden");
  await page.getByRole("button", { name: "Show all" }).click();
  await waitForLine(page);
  await page.getByPlaceholder("Filter series").fill("user");
  await page.getByText("2 of 16 series").waitFor();
  await page.getByPlaceholder("Filter series").fill("");
  await page.getByRole("button", { name: "Max" }).click();
  assert.match(await first.innerText(), /mode="idle"/);
  await page.getByRole("button", { name: /^Max/ }).click();
  assert.match(await first.innerText(), /mode="(user|system|steal|softirq)"/);
  await finish(watched);
});

test("query box: completion, history, cut lists, errors go away", options, async () => {
  const watched = await open(explore("cpu"));
  const { page } = watched;
  const box = page.getByLabel("Query A");
  await waitForLine(page);
  await box.fill("");
  await box.pressSequentially("generated");
  await page.getByText("First 50 shown, there are more: type on").waitFor();
  await takeScreenshot(page, "completion-1280-light");
  assert.deepEqual(await checkPage(page), []);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  assert.equal(await box.inputValue(), "generated_metric_0_total");
  await box.fill("cpu{m");
  await page.keyboard.press("Control+Space");
  await page.getByRole("option", { name: "mode" }).waitFor();
  await page.keyboard.press("Tab");
  await box.pressSequentially('="us');
  await page.getByRole("option", { name: "user" }).waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await box.inputValue(), 'cpu{mode="user');
  await box.pressSequentially('"} +');
  await page.keyboard.press("Shift+Enter");
  await box.pressSequentially("up(");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").waitFor();
  await box.fill("up");
  await page.keyboard.press("Enter");
  await waitForLine(page);
  assert.equal(await page.getByRole("alert").count(), 0);
  await page.keyboard.press("Control+ArrowUp");
  assert.equal(await box.inputValue(), "cpu");
  await page.keyboard.press("Control+ArrowDown");
  assert.equal(await box.inputValue(), "up");
  await finish(watched);
});

test("queries: add, answer together, remove", options, async () => {
  const watched = await open(explore("up"));
  const { page } = watched;
  await waitForLine(page);
  await page.getByRole("button", { name: "Add query" }).click();
  await page.keyboard.type("cpu");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Enter");
  await page.getByText("19 series", { exact: true }).waitFor();
  assert.match(page.url(), /g0\.expr=up&g1\.expr=cpu/);
  await page.getByRole("button", { name: "Remove query A" }).click();
  await page.getByText("16 series", { exact: true }).waitFor();
  assert.equal(await page.getByLabel("Query A").inputValue(), "cpu");
  await finish(watched);
});

test("time: typed range, wrong range, shift, step, refresh, clock", options, async () => {
  const watched = await open(explore("up"));
  const { page } = watched;
  await waitForLine(page);
  await page.keyboard.press("t");
  await page.getByLabel("From").fill("2026-11-21 08:00");
  await page.getByLabel("To", { exact: true }).fill("soon");
  await page.getByRole("button", { name: "Apply" }).click();
  await page.getByText("This is no time.").waitFor();
  await takeScreenshot(page, "range-1280-light");
  assert.deepEqual(await checkPage(page), []);
  await page.getByLabel("To", { exact: true }).fill("2026-11-21 10:00");
  await page.keyboard.press("Enter");
  await page.waitForURL(/range_input=2h&g0\.end_input=2026-11-21T10:00:00Z/);
  await page.getByRole("button", { name: "Earlier" }).click();
  await page.waitForURL(/end_input=2026-11-21T09:00:00Z/);
  await page.getByLabel("Step").fill("1m");
  await page.keyboard.press("Enter");
  await page.waitForURL(/step_input=1m/);
  await page.getByLabel("Refresh").selectOption("5s");
  await page.waitForURL(/refresh=5s/);
  await page.getByLabel("Clock").selectOption("utc");
  await finish(watched);
});

test("loading: a slow answer shows it, another query aborts it", options, async () => {
  const watched = await open(explore("slow"));
  const { page } = watched;
  await page.locator(".loading-line.active").waitFor();
  await page.getByLabel("Query A").fill("up");
  await page.keyboard.press("Enter");
  await waitForLine(page);
  await finish(watched);
});

test("help: the sheet of shortcuts opens, closes and gives the focus back", options, async () => {
  const watched = await openPage(browser, { ...wide, theme: "dark" }, explore("up"));
  const { page } = watched;
  await waitForLine(page);
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
  await takeScreenshot(page, "help-1280-dark");
  assert.deepEqual(await checkPage(page), []);
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  await page.keyboard.press("2");
  await page.waitForURL(/tab=table/);
  await finish(watched);
});

test("theme: the switch repaints the graph", options, async () => {
  const watched = await open(explore("up"));
  const { page } = watched;
  await waitForLine(page);
  await page.getByRole("button", { name: "Theme: System" }).click();
  await page.getByRole("button", { name: "Theme: Light" }).click();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
  await waitForLine(page);
  await page.reload();
  await waitForLine(page);
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
  await finish(watched);
});

test("focus: every control can be reached by Tab and shows it", options, async () => {
  const watched = await open(explore("up"));
  const { page } = watched;
  await waitForLine(page);
  const seen = new Set<string>();
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(() => {
      const element = document.activeElement as HTMLElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      const name = element.getAttribute("aria-label") ?? element.textContent ?? "";
      return { name: `${element.tagName} ${name.trim().slice(0, 30) || element.id}`, isVisible: outlineStyle !== "none" && outlineWidth !== "0px", isBody: element === document.body };
    });
    if (focused.isBody) break;
    assert.ok(focused.isVisible, `no focus ring: ${focused.name}`);
    seen.add(focused.name);
  }
  for (const name of ["A Skip to content", "TEXTAREA Query A", "BUTTON Run", "BUTTON Graph", "BUTTON Add query"]) assert.ok(seen.has(name), `${name} is not among ${[...seen].join(", ")}`);
  await finish(watched);
});

// Budgets. The machine may be busy: the best of a few attempts counts.

interface LongTasks {
  readonly longestMs: number;
  readonly totalMs: number;
}

const watchLongTasks = `
  window.longTasks = [];
  new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: "longtask", buffered: true });
`;

async function measureLongTasks(name: string, expression: string, rest: string, act: (page: Page) => Promise<void>): Promise<LongTasks & { nodes: number }> {
  const context = await browser.newContext({ viewport: { width: wide.width, height: wide.height }, reducedMotion: "reduce" });
  const page = await context.newPage();
  await page.addInitScript(watchLongTasks);
  await page.goto(explore(expression, rest));
  await act(page);
  await page.waitForTimeout(300);
  const durations = await page.evaluate(() => (window as unknown as { longTasks: number[] }).longTasks);
  const nodes = await page.evaluate(() => document.querySelectorAll("*").length);
  await takeScreenshot(page, name);
  await context.close();
  return { longestMs: Math.max(0, ...durations), totalMs: durations.reduce((sum, duration) => sum + duration, 0), nodes };
}

async function bestOf(attempts: number, measure: () => Promise<LongTasks & { nodes: number }>, isGood: (result: LongTasks) => boolean): Promise<LongTasks & { nodes: number }> {
  let best = await measure();
  for (let i = 1; i < attempts && !isGood(best); i++) {
    const next = await measure();
    if (next.totalMs < best.totalMs) best = next;
  }
  return best;
}

test("budget: JavaScript of the first page is at most 120 KB compressed", options, (context) => {
  const folder = fileURLToPath(new URL("../../build/web/assets", import.meta.url));
  const scripts = readdirSync(folder).filter((name) => name.endsWith(".js"));
  const sizeBytes = scripts.reduce((sum, name) => sum + gzipSync(readFileSync(join(folder, name)), { level: 9 }).length, 0);
  context.diagnostic(`${sizeBytes} bytes`);
  assert.ok(sizeBytes <= 120 * 1024, `${sizeBytes} bytes`);
});

test("budget: one series blocks the page for at most 150 ms in sum", options, async (context) => {
  const result = await bestOf(4, () => measureLongTasks("one-1280-light", "node_cpu_seconds_total", "", waitForLine), ({ totalMs }) => totalMs <= 150);
  context.diagnostic(`long tasks: ${result.totalMs} ms in sum, longest ${result.longestMs} ms, ${result.nodes} nodes`);
  assert.ok(result.totalMs <= 150, `${result.totalMs} ms`);
});

test("budget: 3,700 series, all drawn, block the page for at most 200 ms at once and need at most 2,000 nodes", options, async (context) => {
  const drawAll = async (page: Page): Promise<void> => {
    await page.getByRole("button", { name: "Draw all 3,700" }).click();
    await page.getByText("All 3,700 series are drawn").waitFor();
    await page.waitForTimeout(1500);
    const box = await plotBox(page);
    await page.mouse.move(box.x + 300, box.y + 100);
    await page.mouse.move(box.x + 500, box.y + 150, { steps: 5 });
    await page.locator(".table-scroll").evaluate((element) => element.scrollTo(0, 40_000));
    await page.waitForTimeout(200);
  };
  const result = await bestOf(3, () => measureLongTasks("many-all-1280-light", "many", "&g0.range_input=15m", drawAll), ({ longestMs }) => longestMs <= 200);
  context.diagnostic(`long tasks: longest ${result.longestMs} ms, ${result.totalMs} ms in sum, ${result.nodes} nodes`);
  assert.ok(result.longestMs <= 200, `${result.longestMs} ms`);
  assert.ok(result.nodes <= 2000, `${result.nodes} nodes`);
});
