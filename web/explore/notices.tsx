/** What the page says when there is no graph to show: how to begin, why an answer is empty, and warnings. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Icon } from "../icon.tsx";
import { rootUrl } from "../page_location.ts";
import { text } from "../text.ts";
import { findEmptyReason } from "./empty_reason.ts";
import type { EmptyReason } from "./empty_reason.ts";
import type { ExploreResult, ExploreSession } from "./explore_session.ts";

interface SessionProps {
  readonly session: ExploreSession;
}

interface ResultProps extends SessionProps {
  readonly result: ExploreResult;
}

/** Before the first query. */
export function StartNotice({ session }: SessionProps): JSX.Element {
  const isWithoutData = useSignal(false);
  useEffect(() => {
    const controller = new AbortController();
    session.client.labelValues("__name__", { limit: 1, signal: controller.signal }).then(
      (names) => (isWithoutData.value = names.length === 0),
      () => undefined, // the first query will tell what is wrong with the server
    );
    return () => controller.abort();
  }, []);
  return (
    <div class="notice">
      <h2>{text.start.title}</h2>
      <p>{text.start.text}</p>
      <ul class="examples">
        {text.start.examples.map((example) => (
          <li key={example.query}>
            <button type="button" class="example" onClick={() => session.change({ expressions: [example.query] })}>
              <code>{example.query}</code>
              <span>{example.text}</span>
            </button>
          </li>
        ))}
      </ul>
      {isWithoutData.value && (
        <div class="message note">
          <div>
            <strong>{text.start.noData}</strong>
            <div class="message-text">{text.start.noDataText}</div>
            <pre class="command" tabIndex={0}>{`echo 'room_temperature{room="kitchen"} 21.5' | curl --data-binary @- ${new URL("api/v1/import/prometheus", rootUrl).href}`}</pre>
          </div>
        </div>
      )}
    </div>
  );
}

/** When every query failed; the reasons stand beside the queries. */
export function FailedNotice({ session }: SessionProps): JSX.Element {
  return (
    <div class="notice">
      <p>{text.result.nothingToShow}</p>
      <button type="button" class="button" onClick={() => session.submit()}>
        <Icon name="refresh" />
        {text.result.retry}
      </button>
    </div>
  );
}

/** For an answer without series. */
export function EmptyNotice({ session, result }: ResultProps): JSX.Element {
  const reason = useSignal<EmptyReason | undefined>(undefined);
  const isSearching = useSignal(true);
  const expression = result.outcomes.find(({ answer }) => answer !== undefined)?.expression ?? "";
  useEffect(() => {
    const controller = new AbortController();
    reason.value = undefined;
    isSearching.value = true;
    findEmptyReason(session.client, expression, result.grid, controller.signal).then(
      (found) => {
        reason.value = found;
        isSearching.value = false;
      },
      () => {
        if (!controller.signal.aborted) isSearching.value = false; // no reason is found: the notice says what is known
      },
    );
    return () => controller.abort();
  }, [result]);
  return (
    <div class="notice" role="status">
      <h2>{text.empty.title}</h2>
      <p>{text.empty.text}</p>
      {isSearching.value && <p class="hint">{text.empty.looking}</p>}
      {reason.value !== undefined && <Reason session={session} reason={reason.value} />}
    </div>
  );
}

const monthMs = 30 * 86_400_000;

function Reason({ session, reason }: SessionProps & { readonly reason: EmptyReason }): JSX.Element {
  const ask = (expression: string): void => session.change({ expressions: [expression] });
  switch (reason.kind) {
    case "noMetric":
      return <p>{text.empty.noMetric}</p>;
    case "noSuchMetric":
      return (
        <>
          <p>
            <strong>{text.empty.noSuchMetric(reason.metric)}</strong>
            {reason.similar.length > 0 && ` ${text.empty.didYouMean}`}
          </p>
          <Choices items={reason.similar.map((name) => ({ label: name, onClick: () => ask(name) }))} />
        </>
      );
    case "notInRange":
      return (
        <>
          <p>
            <strong>{text.empty.notInRange(reason.metric)}</strong>
          </p>
          <Choices items={[{ label: text.empty.widen, onClick: () => session.setRange({ kind: "relative", durationMs: monthMs }) }]} />
        </>
      );
    case "filtered":
      return (
        <>
          <p>
            <strong>{text.empty.filtered(reason.metric)}</strong>
          </p>
          <Choices items={[{ label: text.empty.tryMetric(reason.metric), onClick: () => ask(reason.metric) }]} />
        </>
      );
  }
}

interface ChoicesProps {
  readonly items: readonly { readonly label: string; readonly onClick: () => void }[];
}

function Choices({ items }: ChoicesProps): JSX.Element {
  return (
    <div class="choices">
      {items.map(({ label, onClick }) => (
        <button key={label} type="button" class="button" onClick={onClick}>
          {label}
        </button>
      ))}
    </div>
  );
}

/** Partial data and warnings; nothing if all is well. */
export function WarningNotice({ result }: { readonly result: ExploreResult }): JSX.Element | null {
  const answers = result.outcomes.flatMap(({ answer }) => (answer === undefined ? [] : [answer]));
  const isPartial = answers.some((answer) => answer.isPartial);
  const warnings = [...new Set(answers.flatMap((answer) => answer.warnings))];
  const infos = [...new Set(answers.flatMap((answer) => answer.infos))];
  if (!isPartial && warnings.length + infos.length === 0) return null;
  const isQuiet = !isPartial && warnings.length === 0;
  return (
    <div class={`message ${isQuiet ? "note" : "warning"}`} role="status">
      <Icon name="warning" />
      <div>
        {isPartial && (
          <div>
            <strong>{text.result.partial}.</strong> {text.result.partialDetail}
          </div>
        )}
        {[...warnings, ...infos].map((message) => <div key={message} class="message-text">{message}</div>)}
      </div>
    </div>
  );
}
