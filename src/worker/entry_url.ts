/** Workers start from one entry file, which a role name in their data tells what to be. In the bundle (build/server) it is JavaScript. */
export const workerEntryUrl = new URL(import.meta.url.endsWith(".ts") ? "./entry.ts" : "./entry.js", import.meta.url);
