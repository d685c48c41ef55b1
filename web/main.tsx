/** Starts the UI. */
import { render } from "preact";
import { Client } from "../client/index.ts";
import { App } from "./app.tsx";
import { rootUrl, watchLocation } from "./page_location.ts";
import { applyPreferences } from "./preferences.ts";
import { watchShortcuts } from "./shortcuts.ts";

applyPreferences();
watchLocation();
watchShortcuts();
render(<App client={new Client({ baseUrl: rootUrl })} />, document.getElementById("app")!);
