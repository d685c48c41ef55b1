/** The answer as JSON, a line per series, and a link to the same request. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { copyText } from "../clipboard.ts";
import { Icon } from "../icon.tsx";
import { printExact, printSize } from "../number_text.ts";
import { rootUrl } from "../page_location.ts";
import { text } from "../text.ts";
import type { ExploreResult, QueryOutcome } from "./explore_session.ts";
import { queryLetter } from "./query_letter.ts";

const maxTextSize = 200_000;

/** See the top of the file. */
export function JsonTab({ result }: { readonly result: ExploreResult }): JSX.Element {
  const answered = result.outcomes.map((outcome, i) => ({ outcome, letter: queryLetter(i) })).filter(({ outcome }) => outcome.answer !== undefined);
  return <>{answered.map(({ outcome, letter }) => <Answer key={letter} outcome={outcome} letter={answered.length > 1 ? letter : undefined} timeMs={result.grid.toMs} />)}</>;
}

interface AnswerProps {
  readonly outcome: QueryOutcome;
  readonly letter: string | undefined;
  readonly timeMs: number;
}

function Answer({ outcome, letter, timeMs }: AnswerProps): JSX.Element {
  const isCopied = useSignal(false);
  const json = printAnswer(outcome);
  const url = new URL("api/v1/query", rootUrl);
  url.search = new URLSearchParams({ query: outcome.expression, time: String(timeMs / 1000) }).toString();
  const copy = async (): Promise<void> => {
    isCopied.value = await copyText(json);
  };
  return (
    <div class="json">
      <div class="legend-bar">
        {letter !== undefined && <span class="letter">{letter}</span>}
        {json.length > maxTextSize && <span>{text.json.cut(printSize(maxTextSize), printSize(json.length))}</span>}
        <span class="spacer" />
        <a class="button small" href={url.href} target="_blank" rel="noreferrer">
          <Icon name="external" />
          {text.json.open}
        </a>
        <button type="button" class="button small" onClick={() => void copy()}>
          <Icon name="copy" />
          {isCopied.value ? text.copied : text.copy}
        </button>
      </div>
      <pre class="json-text" tabIndex={0} role="region" aria-label={text.json.label}>{json.slice(0, maxTextSize)}</pre>
    </div>
  );
}

function printAnswer({ answer }: QueryOutcome): string {
  const { resultType, series, text: value, warnings, infos, hints, isPartial } = answer!;
  const rows = series.map(({ labels, timestampsMs, values }) => {
    const samples = Array.from(timestampsMs, (timeMs, i): [number, string] => [timeMs / 1000, value ?? printExact(values[i])]);
    return resultType === "matrix" ? { metric: labels, values: samples } : resultType === "vector" ? { metric: labels, value: samples[0] } : samples[0];
  });
  const lines = rows.map((row) => `    ${JSON.stringify(row)}`).join(",\n");
  const extra = Object.entries({ warnings, infos, hints }).filter(([, list]) => list.length > 0).map(([key, list]) => `  ${JSON.stringify(key)}: ${JSON.stringify(list)},\n`).join("");
  const isSingle = resultType === "scalar" || resultType === "string";
  return `{\n  "status": "success",\n${isPartial ? '  "isPartial": true,\n' : ""}${extra}  "data": {"resultType": ${JSON.stringify(resultType)}, "result": ${isSingle ? lines.trim() : rows.length === 0 ? "[]" : `[\n${lines}\n  ]`}}\n}\n`;
}
