/** The sheet of keyboard shortcuts, a modal dialog. */
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "./icon.tsx";
import { text } from "./text.ts";

/** Whether the sheet is open. */
export const isHelpOpen = signal(false);

/** See the top of the file. */
export function HelpSheet(): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const isOpen = isHelpOpen.value;
  useEffect(() => {
    if (isOpen) dialog.current!.showModal();
    else dialog.current!.close();
  }, [isOpen]);
  const closeOutside = (event: MouseEvent): void => {
    if (event.target === dialog.current) isHelpOpen.value = false;
  };
  return (
    <dialog class="sheet" ref={dialog} aria-labelledby="help-title" onClose={() => (isHelpOpen.value = false)} onClick={closeOutside}>
      <div class="sheet-content">
        <header>
          <h2 id="help-title">{text.shortcuts.title}</h2>
          <button type="button" class="button quiet icon-only" aria-label={text.close} onClick={() => (isHelpOpen.value = false)}>
            <Icon name="close" />
          </button>
        </header>
        <div class="shortcut-groups">
          {text.shortcuts.groups.map((group) => (
            <section key={group.title}>
              <h3>{group.title}</h3>
              <dl>
                {group.rows.map((row) => (
                  <div key={row.text}>
                    <dt>{row.keys.map((key) => <kbd key={key}>{key}</kbd>)}</dt>
                    <dd>{row.text}</dd>
                  </div>
                ))}
              </dl>
            </section>
          ))}
        </div>
      </div>
    </dialog>
  );
}
