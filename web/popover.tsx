/** A button that opens a panel below itself. Escape and a click or focus elsewhere close it. */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Signal } from "@preact/signals";

/** What a popover shows; `isOpen` is its owner's, so that a shortcut can open it. */
export interface PopoverProps {
  readonly isOpen: Signal<boolean>;
  readonly label: string;
  readonly class?: string;
  readonly button: ComponentChildren;
  readonly children: ComponentChildren;
}

/** See the top of the file. */
export function Popover(props: PopoverProps): JSX.Element {
  const { isOpen } = props;
  const root = useRef<HTMLDivElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!isOpen.value) return;
    const closeOutside = (event: Event): void => {
      if (!root.current!.contains(event.target as Node)) isOpen.value = false;
    };
    document.addEventListener("pointerdown", closeOutside);
    document.addEventListener("focusin", closeOutside);
    const first = panel.current?.querySelector<HTMLElement>("[aria-current=true]") ?? panel.current?.querySelector<HTMLElement>("button, input");
    first?.focus();
    return () => {
      document.removeEventListener("pointerdown", closeOutside);
      document.removeEventListener("focusin", closeOutside);
    };
  }, [isOpen.value]);
  const closeOnEscape = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || !isOpen.value) return;
    event.stopPropagation();
    isOpen.value = false;
    root.current!.querySelector("button")!.focus();
  };
  return (
    <div class={`popover ${props.class ?? ""}`} ref={root} onKeyDown={closeOnEscape}>
      <button type="button" class="button" aria-expanded={isOpen.value} aria-haspopup="dialog" aria-label={props.label} onClick={() => (isOpen.value = !isOpen.value)}>
        {props.button}
      </button>
      {isOpen.value && (
        <div class="popover-panel" role="dialog" aria-label={props.label} ref={panel}>
          {props.children}
        </div>
      )}
    </div>
  );
}
