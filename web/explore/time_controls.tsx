/** Range, step and refresh: what time the page shows. */
import { signal, useSignal } from "@preact/signals";
import type { Signal } from "@preact/signals";
import type { JSX, TargetedEvent } from "preact";
import { useId } from "preact/hooks";
import { parseDuration, printDuration } from "../duration.ts";
import { Icon } from "../icon.tsx";
import { pageLocation } from "../page_location.ts";
import { Popover } from "../popover.tsx";
import { timeZone } from "../preferences.ts";
import { text } from "../text.ts";
import { absoluteRange, relativeRangesMs, resolveRange } from "../time_range.ts";
import type { TimeRange } from "../time_range.ts";
import { parseTime, printTime, printZone } from "../time_text.ts";
import type { TimeZone } from "../time_text.ts";
import type { ExploreSession } from "./explore_session.ts";
import { refreshIntervalsMs } from "./explore_state.ts";

/** Whether the list of ranges is open; a shortcut opens it too. */
export const isRangeOpen = signal(false);

/** See the top of the file. */
export function TimeControls({ session }: { readonly session: ExploreSession }): JSX.Element {
  return (
    <div class="time-controls" role="group" aria-label={text.time.region}>
      <div class="button-group">
        {pageLocation.value.depth > 0 && <IconButton name="back" label={text.time.back} onClick={() => history.back()} />}
        <IconButton name="left" label={text.time.earlier} onClick={() => session.shift(-1)} />
        <RangeButton session={session} />
        <IconButton name="right" label={text.time.later} onClick={() => session.shift(1)} />
        <IconButton name="zoomOut" label={text.time.zoomOut} onClick={() => session.zoomOut()} />
      </div>
      <StepField session={session} />
      <RefreshSelect session={session} />
    </div>
  );
}

interface IconButtonProps {
  readonly name: "back" | "left" | "right" | "zoomOut";
  readonly label: string;
  readonly onClick: () => void;
}

function IconButton({ name, label, onClick }: IconButtonProps): JSX.Element {
  return (
    <button type="button" class="button icon-only" aria-label={label} title={label} onClick={onClick}>
      <Icon name={name} />
    </button>
  );
}

/** Last 15 minutes */
export function printLast(durationMs: number): string {
  const short = printDuration(durationMs);
  const match = /^(\d+)([a-z]+)$/.exec(short);
  const names = match === null ? undefined : text.time.units[match[2]];
  return text.time.last(names === undefined ? short : `${match![1]} ${names[match![1] === "1" ? 0 : 1]}`);
}

function printRange(range: TimeRange, zone: TimeZone): string {
  if (range.kind === "relative") return printLast(range.durationMs);
  const from = printTime(range.fromMs, zone);
  const to = printTime(range.toMs, zone);
  return `${from} – ${from.slice(0, 10) === to.slice(0, 10) ? to.slice(11) : to}`;
}

function RangeButton({ session }: { readonly session: ExploreSession }): JSX.Element {
  const { range } = session.state.value;
  const label = printRange(range, timeZone.value);
  const button = (
    <>
      <Icon name="clock" />
      <span class="range-text">{label}</span>
      <Icon name="down" />
    </>
  );
  return (
    <Popover isOpen={isRangeOpen} label={`${text.time.range}: ${label}`} class="range" button={button}>
      <div class="range-panel">
        <div class="range-list" role="group" aria-label={text.time.relative}>
          {relativeRangesMs.map((durationMs) => (
            <button
              key={durationMs}
              type="button"
              class="menu-item"
              aria-current={range.kind === "relative" && range.durationMs === durationMs}
              onClick={() => {
                isRangeOpen.value = false;
                session.setRange({ kind: "relative", durationMs });
              }}
            >
              {printLast(durationMs)}
            </button>
          ))}
        </div>
        <AbsoluteForm session={session} />
      </div>
    </Popover>
  );
}

function AbsoluteForm({ session }: { readonly session: ExploreSession }): JSX.Element {
  const zone = timeZone.value;
  const window = resolveRange(session.state.value.range, Math.floor(Date.now() / 1000) * 1000);
  const from = useSignal(printTime(window.fromMs, zone));
  const to = useSignal(printTime(window.toMs, zone));
  const isChecked = useSignal(false);
  const submit = (event: Event): void => {
    event.preventDefault();
    isChecked.value = true;
    const nowMs = Date.now();
    const [fromMs, toMs] = [parseTime(from.value, zone, nowMs), parseTime(to.value, zone, nowMs)];
    if (fromMs === undefined || toMs === undefined) return;
    isRangeOpen.value = false;
    const endsNow = to.value.trim() === "now" && fromMs < toMs;
    session.setRange(endsNow ? { kind: "relative", durationMs: toMs - fromMs } : absoluteRange(fromMs, toMs));
  };
  return (
    <form class="range-form" onSubmit={submit} noValidate>
      <h3>
        {text.time.absolute} <span class="hint">{printZone(window.toMs, zone)}</span>
      </h3>
      <TimeField label={text.time.from} value={from} zone={zone} isChecked={isChecked.value} />
      <TimeField label={text.time.to} value={to} zone={zone} isChecked={isChecked.value} />
      <p class="hint">{text.time.timeHint}</p>
      <button type="submit" class="button primary">{text.time.apply}</button>
    </form>
  );
}

interface TimeFieldProps {
  readonly label: string;
  readonly value: Signal<string>;
  readonly zone: TimeZone;
  readonly isChecked: boolean;
}

function TimeField({ label, value, zone, isChecked }: TimeFieldProps): JSX.Element {
  const id = useId();
  const isWrong = isChecked && parseTime(value.value, zone, 0) === undefined;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input id={id} class="input mono" value={value.value} onInput={(event) => (value.value = event.currentTarget.value)} aria-invalid={isWrong} aria-describedby={isWrong ? `${id}-error` : undefined} autocomplete="off" spellcheck={false} />
      {isWrong && <span class="field-error" id={`${id}-error`}>{text.time.notATime}</span>}
    </div>
  );
}

function StepField({ session }: { readonly session: ExploreSession }): JSX.Element {
  const id = useId();
  const { stepMs } = session.state.value;
  const isWrong = useSignal(false);
  const commit = (event: TargetedEvent<HTMLInputElement>): void => {
    const value = event.currentTarget.value.trim();
    const chosenMs = value === "" || value === "auto" ? undefined : parseDuration(value);
    isWrong.value = chosenMs === undefined && value !== "" && value !== "auto";
    if (!isWrong.value && chosenMs !== stepMs) session.change({ stepMs: chosenMs });
  };
  return (
    <div class="inline-field">
      <label for={id}>{text.time.step}</label>
      <input
        id={id}
        class="input step-input"
        key={stepMs}
        defaultValue={stepMs === undefined ? "" : printDuration(stepMs)}
        placeholder={text.time.autoStep(printDuration(session.stepMs.value))}
        aria-invalid={isWrong.value}
        title={isWrong.value ? text.time.notAStep : undefined}
        onChange={commit}
        autocomplete="off"
        spellcheck={false}
      />
    </div>
  );
}

function RefreshSelect({ session }: { readonly session: ExploreSession }): JSX.Element {
  const id = useId();
  const { refreshMs } = session.state.value;
  return (
    <div class="inline-field">
      <label for={id}>{text.time.refresh}</label>
      <select id={id} class="input" value={String(refreshMs)} onChange={(event) => session.change({ refreshMs: Number(event.currentTarget.value) })}>
        {refreshIntervalsMs.map((intervalMs) => (
          <option key={intervalMs} value={String(intervalMs)}>
            {intervalMs === 0 ? text.time.refreshOff : printDuration(intervalMs)}
          </option>
        ))}
      </select>
    </div>
  );
}
