/**
 * Checks of a page as people with other eyes and hands meet it: a small part of what axe-core looks for (names, roles, references,
 * contrast, landmarks), and that nothing sticks out sideways. Each returns readable complaints.
 */
import type { Page } from "playwright-core";

/** All checks below. */
export async function checkPage(page: Page): Promise<string[]> {
  return [...(await page.evaluate(findNameless)), ...(await page.evaluate(findBadStructure)), ...(await page.evaluate(findLowContrast)), ...(await page.evaluate(findOverflow))];
}

// The functions below run in the browser and see nothing of this file.

function findNameless(): string[] {
  const complaints: string[] = [];
  const nameOf = (element: Element): string => {
    const ids = (element.getAttribute("aria-labelledby") ?? "").split(/\s+/).filter((id) => id !== "");
    const labels = element instanceof HTMLInputElement || element instanceof HTMLSelectElement || element instanceof HTMLTextAreaElement ? Array.from(element.labels ?? []) : [];
    const texts = [element.getAttribute("aria-label"), ...ids.map((id) => document.getElementById(id)?.textContent), ...labels.map((label) => label.textContent)];
    if (!/^(INPUT|SELECT|TEXTAREA)$/.test(element.tagName)) texts.push(element.textContent);
    return texts.join(" ").trim();
  };
  const controls = 'a[href], button, input, select, textarea, dialog[open], [role="dialog"], [role="region"], [role="application"], [role="tab"], [role="tabpanel"], [role="listbox"], [role="option"]';
  for (const element of document.querySelectorAll(controls)) {
    if (element.checkVisibility() && nameOf(element) === "") complaints.push(`no name: ${element.outerHTML.slice(0, 120)}`);
  }
  return complaints;
}

function findBadStructure(): string[] {
  const complaints: string[] = [];
  const expectOne = (selector: string): void => {
    const count = document.querySelectorAll(selector).length;
    if (count !== 1) complaints.push(`${count} elements match ${selector}`);
  };
  for (const selector of ["h1", "main", "body > #app > header", "nav", "title", "html[lang]"]) expectOne(selector);
  const ids = Array.from(document.querySelectorAll("[id]"), ({ id }) => id);
  for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) complaints.push(`id ${id} is used twice`);
  for (const attribute of ["aria-controls", "aria-labelledby", "aria-describedby", "aria-activedescendant", "for"]) {
    for (const element of document.querySelectorAll(`[${attribute}]`)) {
      for (const id of element.getAttribute(attribute)!.split(/\s+/)) if (document.getElementById(id) === null) complaints.push(`${attribute} names ${id}, which is not there`);
    }
  }
  for (const element of document.querySelectorAll("[aria-hidden=true] :is(button, a[href], input, [tabindex='0'])")) complaints.push(`hidden but focusable: ${element.outerHTML.slice(0, 120)}`);
  for (const element of document.querySelectorAll("[tabindex]")) if (Number(element.getAttribute("tabindex")) > 0) complaints.push("positive tabindex");
  for (const element of document.querySelectorAll<HTMLElement>("#app *")) {
    const { overflowX, overflowY } = getComputedStyle(element);
    const scrolls = (/auto|scroll/.test(overflowY) && element.scrollHeight > element.clientHeight + 1) || (/auto|scroll/.test(overflowX) && element.scrollWidth > element.clientWidth + 1);
    if (scrolls && element.tabIndex < 0 && element.querySelector("button, a[href], input, [tabindex='0']") === null) complaints.push(`scrolls but takes no focus: ${element.outerHTML.slice(0, 120)}`);
  }
  return complaints;
}

function findLowContrast(): string[] {
  type Color = [number, number, number, number];
  const context = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true })!;
  const cache = new Map<string, Color>();
  const parse = (css: string): Color => {
    const known = cache.get(css);
    if (known !== undefined) return known;
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = css;
    context.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = context.getImageData(0, 0, 1, 1).data;
    cache.set(css, [red, green, blue, alpha / 255]);
    return cache.get(css)!;
  };
  const over = (top: Color, bottom: Color): Color => [0, 1, 2].map((i) => top[i] * top[3] + bottom[i] * (1 - top[3])).concat(1) as Color;
  const luminance = (color: Color): number => {
    const [red, green, blue] = color.slice(0, 3).map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const backgroundOf = (element: Element): Color => {
    const layers: Color[] = [];
    for (let at: Element | null = element; at !== null; at = at.parentElement) {
      const layer = parse(getComputedStyle(at).backgroundColor);
      layers.push(layer);
      if (layer[3] === 1) break;
    }
    return layers.reduceRight((below, layer) => over(layer, below), [255, 255, 255, 1]);
  };
  const complaints = new Set<string>();
  const walker = document.createTreeWalker(document.querySelector("dialog[open]") ?? document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement!;
    if (node.textContent!.trim() === "" || !element.checkVisibility({ opacityProperty: true }) || element.closest(".visually-hidden, .skip-link, :disabled, noscript, textarea, option, .dimmed") !== null) continue;
    const style = getComputedStyle(element);
    const color = parse(style.color);
    if (color[3] === 0) continue;
    const background = backgroundOf(element);
    const [low, high] = [luminance(over(color, background)), luminance(background)].sort((left, right) => left - right);
    const ratio = (high + 0.05) / (low + 0.05);
    const isLarge = Number.parseFloat(style.fontSize) >= 24 || (Number.parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) complaints.add(`contrast ${ratio.toFixed(2)} of ${style.color}: ${node.textContent!.trim().slice(0, 40)}`);
  }
  return [...complaints];
}

function findOverflow(): string[] {
  const root = document.documentElement;
  if (root.scrollWidth <= window.innerWidth) return [];
  const wide = Array.from(document.querySelectorAll("#app *")).filter((element) => element.getBoundingClientRect().right > window.innerWidth + 1 && element.closest(".table-scroll, pre") === null);
  return [`the page is ${root.scrollWidth} px wide in a window of ${window.innerWidth} px: ${wide.slice(0, 3).map((element) => element.outerHTML.slice(0, 80)).join(" | ")}`];
}
