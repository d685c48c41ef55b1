/** Workers start from one entry file, which a role name in their data tells what to be. */
export const workerEntryUrl = new URL("./entry.ts", import.meta.url);
