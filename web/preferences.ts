/** What a person chose for this browser: theme and clock. Kept in local storage; links do not carry it. */
import { computed, effect, signal } from "@preact/signals";
import type { Signal } from "@preact/signals";
import type { Theme } from "./palette.ts";
import type { TimeZone } from "./time_text.ts";

/** A theme, or the one of the system. */
export type ThemeChoice = Theme | "system";

const storage = safeStorage();

/** Local storage, or nothing where the browser forbids it. */
function safeStorage(): Storage | undefined {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined; // storage is switched off: choices last as long as the page
  }
}

/** Reads a stored text. */
export function loadPreference(name: string): string | undefined {
  return storage?.getItem(`tidemark.${name}`) ?? undefined;
}

/** Stores a text; a full storage is no reason to fail. */
export function savePreference(name: string, value: string): void {
  try {
    storage?.setItem(`tidemark.${name}`, value);
  } catch {
    return; // full or forbidden: the choice lasts as long as the page
  }
}

function preference<T extends string>(name: string, allowed: readonly T[]): Signal<T> {
  const stored = loadPreference(name);
  return signal(allowed.find((value) => value === stored) ?? allowed[0]);
}

/** The chosen theme. */
export const themeChoice = preference<ThemeChoice>("theme", ["system", "light", "dark"]);

/** The chosen clock. */
export const timeZone = preference<TimeZone>("zone", ["local", "utc"]);

const systemPrefersDark = signal(false);

/** The theme in effect. */
export const theme = computed<Theme>(() => {
  if (themeChoice.value !== "system") return themeChoice.value;
  return systemPrefersDark.value ? "dark" : "light";
});

/** Begins to apply and to store the choices. */
export function applyPreferences(): void {
  const query = matchMedia("(prefers-color-scheme: dark)");
  systemPrefersDark.value = query.matches;
  query.addEventListener("change", () => (systemPrefersDark.value = query.matches));
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
    savePreference("theme", themeChoice.value);
  });
  effect(() => savePreference("zone", timeZone.value));
}
