/** The queries of this browser, newest last; Ctrl+Up and Ctrl+Down go through them. */
import { loadPreference, savePreference } from "../preferences.ts";

const maxEntries = 100;
let entries = load();

function load(): string[] {
  try {
    const value: unknown = JSON.parse(loadPreference("history") ?? "[]");
    return Array.isArray(value) ? value.filter((entry) => typeof entry === "string") : [];
  } catch {
    return []; // somebody else wrote it: begin anew
  }
}

/** Puts a query that was run at the end. */
export function rememberQuery(expression: string): void {
  if (expression.trim() === "" || entries.at(-1) === expression) return;
  entries = [...entries.filter((entry) => entry !== expression), expression].slice(-maxEntries);
  savePreference("history", JSON.stringify(entries));
}

/** A walk through the history from a draft, which comes back at the end. */
export class HistoryWalk {
  readonly #items: readonly string[];
  #at: number;
  constructor(draft: string) {
    this.#items = entries.at(-1) === draft ? entries : [...entries, draft];
    this.#at = this.#items.length - 1;
  }

  /** One query back (-1) or on (1); stays at the ends. */
  move(direction: -1 | 1): string {
    this.#at = Math.max(0, Math.min(this.#items.length - 1, this.#at + direction));
    return this.#items[this.#at];
  }
}
