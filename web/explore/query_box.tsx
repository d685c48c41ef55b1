/**
 * The box for one query: a text area over a coloured copy of its text, which also gives it its height and underlines the place of a
 * syntax error. Completion opens while typing; see the shortcuts in text.ts.
 */
import { useSignal } from "@preact/signals";
import type { Signal } from "@preact/signals";
import type { JSX, TargetedInputEvent, TargetedKeyboardEvent } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { errorOffset } from "../../client/index.ts";
import type { ApiError, Client } from "../../client/index.ts";
import { text } from "../text.ts";
import { findCompletions } from "./completion_source.ts";
import type { Completion, CompletionList } from "./completion_source.ts";
import { HistoryWalk } from "./query_history.ts";
import { completionContext, tokenizeQuery } from "./query_text.ts";
import type { CompletionContext } from "./query_text.ts";

/** What a query box needs. `error` is the one of the text that stands in the box. */
export interface QueryBoxProps {
  readonly client: Client;
  readonly letter: string;
  readonly value: string;
  readonly error: ApiError | undefined;
  readonly onInput: (value: string) => void;
  readonly onRun: () => void;
}

interface OpenList extends CompletionList {
  readonly context: CompletionContext;
  /** -1: none is chosen yet, and Enter runs the query. */
  readonly chosen: number;
}

const delayMs = 120;

/** See the top of the file. */
export function QueryBox(props: QueryBoxProps): JSX.Element {
  const area = useRef<HTMLTextAreaElement>(null);
  const list = useSignal<OpenList | undefined>(undefined);
  const listId = useId();
  const completer = useCompleter(props.client, area, list);
  const walk = useRef<HistoryWalk | undefined>(undefined);

  const replace = (value: string, caret: number): void => {
    area.current!.value = value;
    area.current!.setSelectionRange(caret, caret);
    props.onInput(value);
  };
  const accept = (completion: Completion): void => {
    const { context } = list.value!;
    const { value, selectionEnd } = area.current!;
    list.value = undefined;
    const after = value.slice(selectionEnd);
    const hasBracket = completion.kind === "function" && after.startsWith("(");
    const inserted = hasBracket ? completion.label : completion.text;
    replace(value.slice(0, context.from) + inserted + after, context.from + inserted.length - (hasBracket ? 0 : completion.caretBack));
    area.current!.focus();
  };
  const onInput = (event: TargetedInputEvent<HTMLTextAreaElement>): void => {
    walk.current = undefined;
    props.onInput(event.currentTarget.value);
    completer.schedule(false);
  };
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLTextAreaElement>): void => {
    const action = keyAction(event, list.value);
    if (action === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (action === "run") {
      completer.cancel();
      props.onRun();
    } else if (action === "accept") {
      accept(list.value!.items[Math.max(0, list.value!.chosen)]);
    } else if (action === "close") {
      completer.cancel();
    } else if (action === "complete") {
      completer.schedule(true);
    } else if (action === "next" || action === "previous") {
      const open = list.value!;
      const size = open.items.length;
      list.value = { ...open, chosen: action === "next" ? (open.chosen + 1) % size : (open.chosen + size - (open.chosen < 0 ? 0 : 1)) % size };
    } else {
      walk.current ??= new HistoryWalk(props.value);
      const value = walk.current.move(action === "older" ? -1 : 1);
      replace(value, value.length);
    }
  };
  const chosenId = list.value !== undefined && list.value.chosen >= 0 ? `${listId}-${list.value.chosen}` : undefined;
  return (
    <div class="query-box">
      <ColoredQuery value={props.value} error={props.error} />
      <textarea
        ref={area}
        class="query-input"
        value={props.value}
        rows={1}
        spellcheck={false}
        autocomplete="off"
        autocapitalize="off"
        placeholder={text.query.placeholder}
        aria-label={text.query.label(props.letter)}
        aria-invalid={props.error !== undefined}
        aria-autocomplete="list"
        aria-haspopup="listbox"
        aria-controls={list.value === undefined ? undefined : listId}
        aria-activedescendant={chosenId}
        data-query={props.letter}
        onInput={onInput}
        onKeyDown={onKeyDown}
        onBlur={completer.cancel}
      />
      {list.value !== undefined && <CompletionPanel id={listId} list={list.value} onAccept={accept} />}
    </div>
  );
}

type KeyAction = "run" | "accept" | "close" | "complete" | "next" | "previous" | "older" | "newer";

function keyAction(event: KeyboardEvent, list: OpenList | undefined): KeyAction | undefined {
  const { key, ctrlKey, metaKey, shiftKey, altKey, isComposing } = event;
  if (isComposing || altKey) return undefined;
  if (ctrlKey || metaKey) return ({ Enter: "run", " ": "complete", ArrowUp: "older", ArrowDown: "newer" } as const)[key];
  if (key === "Enter" && !shiftKey) return list !== undefined && list.chosen >= 0 ? "accept" : "run";
  if (list === undefined || shiftKey) return undefined;
  return ({ Tab: "accept", Escape: "close", ArrowDown: "next", ArrowUp: "previous" } as const)[key];
}

interface Completer {
  readonly schedule: (isAsked: boolean) => void;
  readonly cancel: () => void;
}

/** Asks the server a moment after the last key, and drops answers that come too late. */
function useCompleter(client: Client, area: { current: HTMLTextAreaElement | null }, list: Signal<OpenList | undefined>): Completer {
  const running = useRef<AbortController | undefined>(undefined);
  const cancel = (): void => {
    running.current?.abort();
    list.value = undefined;
  };
  const ask = async (isAsked: boolean, signal: AbortSignal): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, isAsked ? 0 : delayMs));
    if (signal.aborted || area.current === null) return;
    const { value, selectionEnd } = area.current;
    const context = completionContext(value, selectionEnd);
    const isWanted = context !== undefined && (isAsked || context.prefix !== "" || context.kind !== "metric");
    const found = isWanted ? await findCompletions(client, context, signal) : { items: [], isCut: false };
    if (signal.aborted) return;
    const isUseful = found.items.length > 1 || (found.items.length === 1 && found.items[0].text !== context?.prefix);
    list.value = isUseful ? { ...found, context: context!, chosen: -1 } : undefined;
  };
  const schedule = (isAsked: boolean): void => {
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    // Without completions typing goes on as before; the query itself will say what is wrong with the server.
    ask(isAsked, controller.signal).catch(() => (list.value = undefined));
  };
  useEffect(() => () => running.current?.abort(), []);
  return { schedule, cancel };
}

function ColoredQuery({ value, error }: { readonly value: string; readonly error: ApiError | undefined }): JSX.Element {
  const offset = (error && errorOffset(value, error)) ?? -1;
  const tokens = tokenizeQuery(value);
  const isAtEnd = offset >= 0 && offset >= value.length;
  return (
    <pre class="query-colors" aria-hidden="true">
      {tokens.map((token, i) => {
        const isWrong = offset >= token.from && offset < token.from + token.text.length;
        return <span key={i} class={`token-${token.kind}${isWrong ? " token-wrong" : ""}`}>{token.text}</span>;
      })}
      {isAtEnd && <span class="token-wrong">{"\u00a0\u00a0"}</span>}
      {"\u200b"}
    </pre>
  );
}

interface CompletionPanelProps {
  readonly id: string;
  readonly list: OpenList;
  readonly onAccept: (completion: Completion) => void;
}

function CompletionPanel({ id, list, onAccept }: CompletionPanelProps): JSX.Element {
  const chosen = useRef<HTMLLIElement>(null);
  useEffect(() => chosen.current?.scrollIntoView({ block: "nearest" }), [list.chosen]);
  const prefixSize = list.context.prefix.length;
  return (
    <div class="completion">
      <ul id={id} role="listbox" tabIndex={0} aria-label={text.completion.label}>
        {list.items.map((item, i) => (
          <li
            key={`${item.kind} ${item.label}`}
            id={`${id}-${i}`}
            role="option"
            aria-selected={i === list.chosen}
            ref={i === list.chosen ? chosen : undefined}
            onPointerDown={(event) => {
              event.preventDefault();
              onAccept(item);
            }}
          >
            <span class="completion-name">
              <b>{item.label.slice(0, prefixSize)}</b>
              {item.label.slice(prefixSize)}
            </span>
            <span class="completion-kind">{text.completion.kinds[item.kind]}</span>
          </li>
        ))}
      </ul>
      {list.isCut && <div class="completion-cut">{text.completion.cut(list.items.filter(({ kind }) => kind !== "function" && kind !== "keyword").length)}</div>}
      <div class="visually-hidden" role="status">{text.completion.found(list.items.length)}</div>
    </div>
  );
}
