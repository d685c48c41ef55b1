// The Explore page of a real node in a real browser: the first graph, errors, table, URL and back, small window, dark theme.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { chromiumPath, launchChromium, openPage, takeScreenshot, wide } from "./browser.ts";
import { waitForLine } from "./canvas_pixels.ts";
import { checkPage } from "./page_checks.ts";
import { startTidemark } from "./tidemark_process.ts";
import type { TidemarkProcess } from "./tidemark_process.ts";

const executablePath = chromiumPath();
const options = { skip: executablePath === undefined ? "PEER MISSING: chromium" : false };
/** A few seconds of samples in a graph of five minutes. */
const linePixels = 20;
let server: TidemarkProcess;
let browser: Browser;

before(async () => {
  if (executablePath === undefined) return;
  [server, browser] = await Promise.all([startTidemark(), launchChromium(executablePath)]);
  await importHistory(server.url);
});

after(async () => {
  await browser?.close();
  await server?.[Symbol.asyncDispose]();
});

test("node: up is typed, run, and drawn", options, async () => {
  const { page, complaints } = await openPage(browser, wide, server.url);
  await page.getByLabel("Query A").fill("up");
  await page.keyboard.press("Enter");
  await page.locator(".series-button").first().waitFor();
  assert.match(page.url(), /\/explore\?g0\.expr=up&g0\.range_input=1h&g0\.tab=0$/);
  await page.getByLabel(/^Time range/).click();
  await page.getByRole("button", { name: "Last 5 minutes" }).click();
  await page.waitForURL(/range_input=5m/);
  await waitForLine(page, linePixels);
  await takeScreenshot(page, "node-up");
  assert.deepEqual([...complaints, ...(await checkPage(page))], []);
  await page.context().close();
});

test("node: the page loads at its own URL again, and old paths lead to it", options, async () => {
  const { page, complaints } = await openPage(browser, wide, `${server.url}explore?g0.expr=up&g0.range_input=5m&g0.tab=0`);
  await waitForLine(page, linePixels);
  await page.goto(`${server.url}graph?g0.expr=up&g0.tab=1`);
  await page.getByRole("columnheader", { name: "Value" }).waitFor();
  await page.goto(`${server.url}vmui/#/?g0.expr=up&g0.range_input=5m&g0.tab=0&g0.relative_time=last_5_minutes`);
  await waitForLine(page, linePixels);
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test("node: a syntax error is shown at its place", options, async () => {
  const { page, complaints } = await openPage(browser, wide, `${server.url}?g0.expr=${encodeURIComponent("sum(rate(up[5m]")}`);
  await page.getByRole("alert").waitFor();
  assert.match(await page.getByRole("alert").innerText(), /line 1, column 16/);
  assert.equal(await page.locator(".token-wrong").count(), 1);
  await takeScreenshot(page, "node-error");
  assert.deepEqual([...complaints, ...(await checkPage(page))], []);
  await page.context().close();
});

test("node: an empty answer says why", options, async () => {
  const { page, complaints } = await openPage(browser, wide, `${server.url}?g0.range_input=5m&g0.expr=${encodeURIComponent("scrape_duration_second")}`);
  await page.getByText("There is no metric named scrape_duration_second.").waitFor();
  await page.getByRole("button", { name: "scrape_duration_seconds" }).click();
  await waitForLine(page, linePixels);
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test("node: table, JSON, back and forward", options, async () => {
  const { page, complaints } = await openPage(browser, wide, `${server.url}?g0.expr=up&g0.range_input=5m`);
  await waitForLine(page, linePixels);
  await page.getByRole("tab", { name: "Table" }).click();
  await page.getByRole("columnheader", { name: "Value" }).waitFor();
  await page.getByRole("cell", { name: "1", exact: true }).first().waitFor();
  await takeScreenshot(page, "node-table");
  await page.getByRole("tab", { name: "JSON" }).click();
  await page.getByText('"resultType": "vector"').waitFor();
  await page.goBack();
  await page.getByRole("columnheader", { name: "Value" }).waitFor();
  await page.goBack();
  await waitForLine(page, linePixels);
  await page.goForward();
  await page.getByRole("columnheader", { name: "Value" }).waitFor();
  assert.match(page.url(), /g0\.tab=table/);
  assert.deepEqual([...complaints, ...(await checkPage(page))], []);
  await page.context().close();
});

test("node: completion knows the metrics of the server", options, async () => {
  const { page, complaints } = await openPage(browser, wide, `${server.url}?g0.range_input=5m`);
  await page.getByLabel("Query A").pressSequentially("scrape_dur");
  await page.getByRole("option", { name: "scrape_duration_seconds" }).waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await page.getByLabel("Query A").inputValue(), "scrape_duration_seconds");
  await page.keyboard.press("Enter");
  await waitForLine(page, linePixels);
  assert.deepEqual(complaints, []);
  await page.context().close();
});

for (const theme of ["light", "dark"] as const) {
  test(`node: small window, ${theme}`, options, async () => {
    const { page, complaints } = await openPage(browser, { width: 360, height: 780, theme }, `${server.url}?g0.expr=up&g0.range_input=5m`);
    await waitForLine(page, linePixels);
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), theme);
    await takeScreenshot(page, `node-up-360-${theme}`);
    assert.deepEqual([...complaints, ...(await checkPage(page))], []);
    await page.context().close();
  });
}

/** Five minutes of samples, so that a line is long enough to be seen on a narrow graph however short the node has been running. */
async function importHistory(url: string): Promise<void> {
  const nowMs = Date.now();
  const lines = Array.from({ length: 60 }, (_, i) => `up{instance="earlier",job="history"} 1 ${nowMs - i * 5000}`);
  const response = await fetch(`${url}api/v1/import/prometheus`, { method: "POST", body: lines.join("\n") });
  assert.equal(response.status, 204);
}
