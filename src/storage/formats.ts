/** Format versions of the files of a data directory that this program reads and writes, by kind; recorded in the manifest. */
export const storageFormats: Readonly<Record<string, number>> = { log: 1, part: 1, index: 1 };
