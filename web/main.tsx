/** Starts the UI. */
import { render } from "preact";
import { Client } from "../client/index.ts";
import { App } from "./app.tsx";
import favicon from "./favicon.svg";
import { rootUrl, watchLocation } from "./page_location.ts";
import { applyPreferences } from "./preferences.ts";
import { watchShortcuts } from "./shortcuts.ts";

applyPreferences();
watchLocation();
watchShortcuts();
addFavicon();
render(<App client={new Client({ baseUrl: rootUrl })} />, document.getElementById("app")!);

/** Part of the bundle, so that the page needs nothing beside its assets. */
function addFavicon(): void {
  const link = document.createElement("link");
  link.rel = "icon";
  link.href = favicon;
  document.head.append(link);
}
