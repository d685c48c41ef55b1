/** What is painted on the graph. */
import type { Page } from "playwright-core";

/** Number of pixels of the graph that have (about) the colour of a series in the legend, counted from 0. */
export function countSeriesPixels(page: Page, seriesIndex: number): Promise<number> {
  return page.evaluate((index) => {
    const canvas = document.querySelector<HTMLCanvasElement>(".u-wrap > canvas");
    const swatch = document.querySelectorAll(".series-button .swatch")[index];
    if (canvas === null || swatch === undefined) return 0;
    const [red, green, blue] = getComputedStyle(swatch).backgroundColor.match(/\d+/g)!.map(Number);
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (Math.abs(data[i] - red) + Math.abs(data[i + 1] - green) + Math.abs(data[i + 2] - blue) < 24 && data[i + 3] > 200) count++;
    }
    return count;
  }, seriesIndex);
}

/** Waits until a series is painted (the second one, say, may lie over the first) with at least so many pixels. */
export async function waitForLine(page: Page, pixels = 100): Promise<void> {
  await page.waitForSelector(".series-button .swatch");
  for (let attempt = 0; attempt < 100; attempt++) {
    for (let seriesIndex = 0; seriesIndex < 3; seriesIndex++) if ((await countSeriesPixels(page, seriesIndex)) >= pixels) return;
    await page.waitForTimeout(50);
  }
  throw new Error("no line in the colour of a series was painted within 5 s");
}
