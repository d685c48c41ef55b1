/** Keys that work anywhere on the page, but not while somebody types. What they do is listed in text.ts. */

type Shortcuts = Readonly<Record<string, () => void>>;

const registered = new Set<Shortcuts>();

/** Adds shortcuts by the key that is pressed ("?", "t"); returns how to remove them. */
export function addShortcuts(shortcuts: Shortcuts): () => void {
  registered.add(shortcuts);
  return () => registered.delete(shortcuts);
}

/** Begins to listen. */
export function watchShortcuts(): void {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    for (const shortcuts of registered) {
      const action = Object.hasOwn(shortcuts, event.key) ? shortcuts[event.key] : undefined;
      if (action === undefined) continue;
      event.preventDefault();
      action();
      return;
    }
  });
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.closest("dialog[open]") !== null;
}
