/**
 * The parameters of a query string, as URLSearchParams reads them: pairs between "&", "+" for a space, %XX for bytes of UTF-8. Requests are small and mostly
 * plain, and URLSearchParams was a tenth of the time that a kept answer takes; so it is left to read what is unusual.
 */

/** Characters beyond ASCII, which are encoded in what clients send. */
// oxlint-disable-next-line no-control-regex
const unusual = /[^\0-\x7f]/;

export class QueryParameters {
  readonly #names: string[] = [];
  readonly #values: string[] = [];

  constructor(text: string) {
    if (text === "") return;
    for (const pair of text.split("&")) {
      if (pair === "") continue;
      const mark = pair.indexOf("=");
      this.#names.push(decode(mark < 0 ? pair : pair.slice(0, mark)));
      this.#values.push(mark < 0 ? "" : decode(pair.slice(mark + 1)));
    }
  }

  /** The first value of a name; undefined if there is none. */
  get(name: string): string | undefined {
    const index = this.#names.indexOf(name);
    return index < 0 ? undefined : this.#values[index];
  }

  getAll(name: string): string[] {
    return this.#names.includes(name) ? this.#values.filter((_, i) => this.#names[i] === name) : [];
  }
}

function decode(text: string): string {
  const isEncoded = text.includes("%");
  const spaced = text.includes("+") ? text.replaceAll("+", " ") : text;
  if (!unusual.test(text)) {
    if (!isEncoded) return spaced;
    try {
      return decodeURIComponent(spaced);
    } catch {
      // Percent signs that stand for themselves, or bytes that are no UTF-8.
    }
  }
  return new URLSearchParams(`v=${text}`).get("v") ?? "";
}
