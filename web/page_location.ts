/**
 * The URL of the page as a signal, and moving to another one without loading. The pages live beside each other below the folder that
 * index.html was served from, so that the UI works behind a proxy with a path prefix.
 */
import { signal } from "@preact/signals";
import type { ReadonlySignal } from "@preact/signals";

/** The parts of a URL that tell what is shown. */
export interface PageLocation {
  /** Path below the root of the UI: "" or "explore". */
  readonly path: string;
  readonly search: string;
  readonly hash: string;
  /** How many pages of this visit lie behind, so that "back" is known to stay here. */
  readonly depth: number;
}

/** The folder that index.html was served from; API paths are relative to it too. */
export const rootUrl = new URL("./", document.baseURI);

function readLocation(): PageLocation {
  const { pathname, search, hash } = window.location;
  const state = history.state as { depth?: number } | null;
  return { path: pathname.startsWith(rootUrl.pathname) ? pathname.slice(rootUrl.pathname.length) : "", search, hash, depth: state?.depth ?? 0 };
}

const current = signal(readLocation());

/** Where the page is. */
export const pageLocation: ReadonlySignal<PageLocation> = current;

/** Goes to `url`, relative to the root of the UI. `replace` leaves no entry for the back button. */
export function navigate(url: string, options: { readonly replace?: boolean } = {}): void {
  const target = new URL(url, rootUrl);
  if (target.href === window.location.href) return;
  const depth = current.value.depth + (options.replace === true ? 0 : 1);
  history[options.replace === true ? "replaceState" : "pushState"]({ depth }, "", target);
  current.value = readLocation();
}

/** Follows the back and forward buttons. */
export function watchLocation(): void {
  window.addEventListener("popstate", () => (current.value = readLocation()));
}
