// Where the other programs are that some tests and the benchmark talk to. Runs on Node.js 20.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { root } from "./setup.mjs";

/** Environment variable of each peer -> names of its executable, in order of preference. */
const executables = {
  VM_CMD: ["victoria-metrics"],
  PROM_CMD: ["prometheus"],
  NODE_EXPORTER_CMD: ["prometheus-node-exporter", "node_exporter"],
  CHROMIUM_CMD: ["chromium", "chromium-browser", "google-chrome"],
};

/** VM_CMD, PROM_CMD, NODE_EXPORTER_CMD, CHROMIUM_CMD: what the caller has set, else from .peers/ (tools/get_peers.sh), else from the path. */
export function peerEnvironment() {
  const folders = [join(root, ".peers", "root", "usr", "bin"), ...(process.env.PATH ?? "").split(delimiter), "/usr/bin"];
  const found = {};
  for (const [variable, names] of Object.entries(executables)) {
    const path = process.env[variable] || names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
    if (path !== undefined) found[variable] = path;
  }
  return found;
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // not there, or not ours to run
  }
}
