/** The Explore page: queries above, what they brought below. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Client } from "../../client/index.ts";
import { printElapsed, printSize } from "../number_text.ts";
import { addShortcuts } from "../shortcuts.ts";
import { text } from "../text.ts";
import { ExploreSession } from "./explore_session.ts";
import type { ExploreResult } from "./explore_session.ts";
import type { Tab } from "./explore_state.ts";
import { GraphTab } from "./graph_tab.tsx";
import { makeGraphView } from "./graph_view.ts";
import { JsonTab } from "./json_tab.tsx";
import { EmptyNotice, FailedNotice, StartNotice, WarningNotice } from "./notices.tsx";
import { QueryPanel } from "./query_panel.tsx";
import { TableTab } from "./table_tab.tsx";
import { isRangeOpen } from "./time_controls.tsx";

const tabs: readonly Tab[] = ["graph", "table", "json"];
/** Width of the page that is not plot: margins and the value axis. */
const besidePlotPx = 90;

/** See the top of the file. */
export function ExplorePage({ client }: { readonly client: Client }): JSX.Element {
  const [session] = useState(() => new ExploreSession(client));
  const expressions = session.state.value.expressions.filter((expression) => expression.trim() !== "").join("; ");
  useEffect(() => {
    const measure = (): void => {
      session.widthPx.value = Math.max(200, window.innerWidth - besidePlotPx);
    };
    measure();
    window.addEventListener("resize", measure);
    const stop = session.start();
    // On a touch screen the focus would open the keyboard over the page.
    if (expressions === "" && matchMedia("(pointer: fine)").matches) focusQuery();
    const removeShortcuts = addShortcuts(shortcutsOf(session));
    return () => {
      stop();
      removeShortcuts();
      window.removeEventListener("resize", measure);
    };
  }, []);
  useEffect(() => {
    document.title = expressions === "" ? `${text.explore} – ${text.product}` : `${expressions} – ${text.product}`;
  }, [expressions]);
  return (
    <>
      <h1 class="visually-hidden">{text.explore}</h1>
      <QueryPanel session={session} />
      <ResultPanel session={session} />
    </>
  );
}

function focusQuery(): void {
  document.querySelector<HTMLElement>("[data-query]")?.focus();
}

function shortcutsOf(session: ExploreSession): Record<string, () => void> {
  return {
    "/": focusQuery,
    t: () => (isRangeOpen.value = !isRangeOpen.value),
    "[": () => session.shift(-1),
    "]": () => session.shift(1),
    "-": () => session.zoomOut(),
    b: () => history.back(),
    r: () => session.submit(),
    ...Object.fromEntries(tabs.map((tab, i) => [String(i + 1), () => session.change({ tab })])),
  };
}

function ResultPanel({ session }: { readonly session: ExploreSession }): JSX.Element {
  const result = session.result.value;
  const { tab } = session.state.value;
  return (
    <section class="panel result-panel" aria-label={text.result.region} aria-busy={session.isLoading.value}>
      <div class="tab-bar">
        <TabList session={session} />
        <span class="spacer" />
        {result !== undefined && <Summary result={result} isQuiet={session.state.value.refreshMs > 0} />}
      </div>
      <LoadingLine isLoading={session.isLoading.value} />
      <div class="result" id="result" role="tabpanel" aria-labelledby={`tab-${tab}`}>
        <ResultContent session={session} result={result} />
      </div>
    </section>
  );
}

function ResultContent({ session, result }: { readonly session: ExploreSession; readonly result: ExploreResult | undefined }): JSX.Element {
  const [view] = useState(makeGraphView);
  if (result === undefined) return session.isLoading.value ? <div class="notice" role="status">{text.result.loading}</div> : <StartNotice session={session} />;
  const answers = result.outcomes.flatMap(({ answer }) => (answer === undefined ? [] : [answer]));
  if (answers.length === 0) return <FailedNotice session={session} />;
  const isEmpty = answers.every((answer) => answer.series.length === 0);
  return (
    <>
      <WarningNotice result={result} />
      {isEmpty && <EmptyNotice session={session} result={result} />}
      {!isEmpty && result.tab === "graph" && result.graph !== undefined && <GraphTab session={session} data={result.graph} view={view} />}
      {!isEmpty && result.tab === "table" && <TableTab result={result} />}
      {!isEmpty && result.tab === "json" && <JsonTab result={result} />}
    </>
  );
}

function TabList({ session }: { readonly session: ExploreSession }): JSX.Element {
  const { tab } = session.state.value;
  const list = useRef<HTMLDivElement>(null);
  const onKeyDown = (event: KeyboardEvent): void => {
    const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (direction === undefined) return;
    const next = (tabs.indexOf(tab) + direction + tabs.length) % tabs.length;
    session.change({ tab: tabs[next] });
    list.current!.querySelectorAll("button")[next].focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label={text.result.tabs} ref={list} onKeyDown={onKeyDown}>
      {tabs.map((name) => (
        <button key={name} id={`tab-${name}`} type="button" class="tab" role="tab" aria-selected={name === tab} aria-controls="result" tabIndex={name === tab ? 0 : -1} onClick={() => session.change({ tab: name })}>
          {text.result[name]}
        </button>
      ))}
    </div>
  );
}

interface SummaryProps {
  readonly result: ExploreResult;
  /** Not read aloud, because it changes all the time. */
  readonly isQuiet: boolean;
}

function Summary({ result, isQuiet }: SummaryProps): JSX.Element {
  const answers = result.outcomes.flatMap(({ answer }) => (answer === undefined ? [] : [answer]));
  const series = answers.flatMap((answer) => answer.series);
  const samples = series.reduce((sum, { values }) => sum + values.length, 0);
  return (
    <span class="summary" title={printSize(result.sizeBytes)} role={isQuiet ? undefined : "status"}>
      {answers.length > 0 && <span class="wide-only">{text.result.summary(series.length, samples)}, </span>}
      {printElapsed(result.elapsedMs)}
    </span>
  );
}

const loadingDelayMs = 200;

/** Shows that something is under way, but not for answers that come at once. */
function LoadingLine({ isLoading }: { readonly isLoading: boolean }): JSX.Element {
  const isLate = useSignal(false);
  useEffect(() => {
    if (!isLoading) return;
    const timer = setTimeout(() => (isLate.value = true), loadingDelayMs);
    return () => {
      clearTimeout(timer);
      isLate.value = false;
    };
  }, [isLoading]);
  return <div class={`loading-line${isLate.value ? " active" : ""}`}>{isLate.value && <span class="visually-hidden" role="status">{text.result.loading}</span>}</div>;
}
