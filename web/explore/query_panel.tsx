/** The query boxes with their errors, and the buttons below them. */
import type { JSX } from "preact";
import { ApiError, ConnectionError, errorOffset } from "../../client/index.ts";
import type { ClientError } from "../../client/index.ts";
import { Icon } from "../icon.tsx";
import { text } from "../text.ts";
import type { ExploreSession } from "./explore_session.ts";
import { QueryBox } from "./query_box.tsx";
import { queryLetter } from "./query_letter.ts";
import { TimeControls } from "./time_controls.tsx";

/** See the top of the file. */
export function QueryPanel({ session }: { readonly session: ExploreSession }): JSX.Element {
  const drafts = session.drafts.value;
  return (
    <section class="panel query-panel" aria-label={text.query.region}>
      {drafts.map((draft, i) => <QueryRow key={i} session={session} index={i} draft={draft} isOnly={drafts.length === 1} />)}
      <div class="toolbar">
        <button type="button" class="button quiet" onClick={() => addQuery(session)} disabled={drafts.length >= 20}>
          <Icon name="plus" />
          {text.query.add}
        </button>
        <span class="hint wide-only">{text.query.hint}</span>
        <span class="spacer" />
        <TimeControls session={session} />
        <button type="button" class="button primary" onClick={() => session.submit()}>
          <Icon name="play" />
          {text.query.run}
        </button>
      </div>
    </section>
  );
}

function addQuery(session: ExploreSession): void {
  session.addQuery();
  // The new box exists after the next painting.
  requestAnimationFrame(() => document.querySelector<HTMLElement>(`[data-query="${queryLetter(session.drafts.value.length - 1)}"]`)?.focus());
}

interface QueryRowProps {
  readonly session: ExploreSession;
  readonly index: number;
  readonly draft: string;
  readonly isOnly: boolean;
}

function QueryRow({ session, index, draft, isOnly }: QueryRowProps): JSX.Element {
  const outcome = session.result.value?.outcomes[index];
  const error = outcome?.error;
  const isCurrent = error instanceof ApiError && outcome?.expression === draft;
  const letter = queryLetter(index);
  return (
    <div class="query-row">
      <span class="query-letter" aria-hidden="true">{letter}</span>
      <div class="query-main">
        <QueryBox client={session.client} letter={letter} value={draft} error={isCurrent ? error : undefined} onInput={(value) => session.setDraft(index, value)} onRun={() => session.submit()} />
        {error !== undefined && <QueryError error={error} expression={outcome!.expression} />}
        {outcome?.answer !== undefined && <QueryHints hints={outcome.answer.hints} />}
      </div>
      {!isOnly && (
        <button type="button" class="button quiet icon-only" aria-label={text.query.remove(letter)} title={text.query.remove(letter)} onClick={() => session.removeQuery(index)}>
          <Icon name="close" />
        </button>
      )}
    </div>
  );
}

/** Why the query has brought no series. */
function QueryHints({ hints }: { readonly hints: readonly string[] }): JSX.Element | null {
  if (hints.length === 0) return null;
  return (
    <div class="message note" role="status">
      <Icon name="search" />
      <div>
        {hints.map((hint) => <div key={hint} class="message-text">{hint}</div>)}
      </div>
    </div>
  );
}

interface QueryErrorProps {
  readonly error: ClientError;
  readonly expression: string;
}

function QueryError({ error, expression }: QueryErrorProps): JSX.Element {
  const offset = error instanceof ApiError ? errorOffset(expression, error) : undefined;
  const before = offset === undefined ? undefined : expression.slice(0, offset).split("\n");
  return (
    <div class="message error" role="alert">
      <Icon name="warning" />
      <div>
        <strong>{error instanceof ConnectionError ? text.result.unreachable : text.result.failed}</strong>
        {before !== undefined && <span class="message-place"> {text.query.errorAt(before.length, before.at(-1)!.length + 1)}</span>}
        <div class="message-text">{error.message}</div>
      </div>
    </div>
  );
}
