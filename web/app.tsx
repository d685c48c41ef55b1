/** The frame of every page: the bar with name, pages and preferences, and the page below. */
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { Client } from "../client/index.ts";
import { ExplorePage } from "./explore/explore_page.tsx";
import { HelpSheet, isHelpOpen } from "./help_sheet.tsx";
import { Icon, Logo } from "./icon.tsx";
import type { IconName } from "./icon.tsx";
import { navigate } from "./page_location.ts";
import { themeChoice, timeZone } from "./preferences.ts";
import type { ThemeChoice } from "./preferences.ts";
import { addShortcuts } from "./shortcuts.ts";
import { text } from "./text.ts";
import { printZone } from "./time_text.ts";

/** See the top of the file. */
export function App({ client }: { readonly client: Client }): JSX.Element {
  useEffect(() => addShortcuts({ "?": () => (isHelpOpen.value = true) }), []);
  return (
    <>
      <a class="skip-link" href="#content" onClick={skipToContent}>{text.skipToContent}</a>
      <header class="top-bar">
        <PageLink url="explore" class="brand">
          <Logo />
          <span>{text.product}</span>
        </PageLink>
        <nav aria-label={text.mainNavigation}>
          <PageLink url="explore" class="nav-link" isCurrent>
            {text.explore}
          </PageLink>
          <a class="nav-link quiet wide-only" href="./metrics">{text.serverMetrics}</a>
        </nav>
        <span class="spacer" />
        <ZoneSwitch />
        <ThemeSwitch />
        <button type="button" class="button quiet icon-only" aria-label={text.shortcuts.open} title={`${text.shortcuts.open} (?)`} onClick={() => (isHelpOpen.value = true)}>
          <Icon name="keyboard" />
        </button>
      </header>
      <main id="content" tabIndex={-1}>
        <ExplorePage client={client} />
      </main>
      <HelpSheet />
    </>
  );
}

/** Without the fragment in the URL, which belongs to the state of the page. */
function skipToContent(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById("content")!.focus();
}

interface PageLinkProps {
  readonly url: string;
  readonly class: string;
  readonly isCurrent?: boolean;
  readonly children: JSX.Element | JSX.Element[] | string;
}

/** A link that changes the page without loading; with Ctrl or the middle button it is an ordinary link. */
function PageLink({ url, class: className, isCurrent, children }: PageLinkProps): JSX.Element {
  const onClick = (event: MouseEvent): void => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    navigate(url);
  };
  return (
    <a href={`./${url}`} class={className} aria-current={isCurrent === true ? "page" : undefined} onClick={onClick}>
      {children}
    </a>
  );
}

function ZoneSwitch(): JSX.Element {
  return (
    <select class="input zone-select" aria-label={text.zone.label} title={text.zone.label} value={timeZone.value} onChange={(event) => (timeZone.value = event.currentTarget.value === "utc" ? "utc" : "local")}>
      <option value="local">{text.zone.local(printZone(Date.now(), "local"))}</option>
      <option value="utc">{text.zone.utc}</option>
    </select>
  );
}

const themeIcons: Readonly<Record<ThemeChoice, IconName>> = { system: "system", light: "sun", dark: "moon" };
const themeOrder: readonly ThemeChoice[] = ["system", "light", "dark"];

/** Goes through the themes. */
function ThemeSwitch(): JSX.Element {
  const choice = themeChoice.value;
  const label = `${text.theme.label}: ${text.theme[choice]}`;
  return (
    <button type="button" class="button quiet icon-only" aria-label={label} title={label} onClick={() => (themeChoice.value = themeOrder[(themeOrder.indexOf(choice) + 1) % themeOrder.length])}>
      <Icon name={themeIcons[choice]} />
    </button>
  );
}
