/** Headless Chromium for the browser tests, and a page that fails the test when it logs an error or breaks the security policy. */
import { accessSync, constants, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import type { Browser, Page } from "playwright-core";

const screenshotFolder = fileURLToPath(new URL("../../build/screenshots", import.meta.url));
const pageFile = fileURLToPath(new URL("../../build/web/index.html", import.meta.url));

/** Where Chromium is; undefined, and a loud line, if there is none. */
export function chromiumPath(): string | undefined {
  const path = process.env.CHROMIUM_CMD ?? "/usr/bin/chromium";
  try {
    accessSync(path, constants.X_OK);
    return path;
  } catch {
    process.stderr.write(`PEER MISSING: chromium (looked for ${path}); browser tests are skipped\n`);
    return undefined;
  }
}

/** Starts Chromium without a sandbox, which containers do not allow, and without anything that looks for a network. */
export async function launchChromium(executablePath: string): Promise<Browser> {
  if (!existsSync(pageFile)) throw new Error("build/web is missing: run npm run build:web");
  const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  return chromium.launch({ executablePath, args: flags });
}

/** How a page is looked at. */
export interface Look {
  readonly width: number;
  readonly height: number;
  readonly theme: "light" | "dark";
}

/** The usual window. */
export const wide: Look = { width: 1280, height: 860, theme: "light" };

/** A page with its complaints: uncaught errors, console errors, violations of the content security policy. */
export interface WatchedPage {
  readonly page: Page;
  readonly complaints: string[];
}

/** Opens a page in a context of its own, in UTC and with reduced motion. */
export async function openPage(browser: Browser, look: Look, url: string): Promise<WatchedPage> {
  const context = await browser.newContext({
    viewport: { width: look.width, height: look.height },
    colorScheme: look.theme,
    reducedMotion: "reduce",
    timezoneId: "UTC",
    locale: "en-US",
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(`page error: ${error.message}`));
  page.on("console", (message) => {
    // Failed requests are what error states are tested with; the page itself must not complain.
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) complaints.push(`console: ${message.text()}`);
  });
  await page.goto(url);
  return { page, complaints };
}

/** Writes build/screenshots/<name>.png for people to look at. */
export async function takeScreenshot(page: Page, name: string): Promise<void> {
  mkdirSync(screenshotFolder, { recursive: true });
  await page.screenshot({ path: join(screenshotFolder, `${name}.png`) });
}
