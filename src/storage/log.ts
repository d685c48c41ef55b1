/** The write-ahead log of a data directory: read once after the start, then written. Format: docs/formats/log.md. */
import type { Logger } from "../base/logger.ts";
import { StorageError } from "../base/errors.ts";
import { makeDirectoryDurable } from "../disk/file_system.ts";
import { LogReader } from "./log_reader.ts";
import type { LogReaderOptions, LogRecovery, LogVisitor } from "./log_reader.ts";
import { LogWriter } from "./log_writer.ts";

export interface OpenLogOptions extends LogReaderOptions {
  readonly logger: Logger;
  readonly segmentBytesMax?: number;
}

/** Visits every record that counts and returns the writer that goes on behind them. */
export function openLog(options: OpenLogOptions, visit: LogVisitor): { writer: LogWriter; recovery: LogRecovery } {
  makeDirectoryDurable(options.files, options.directory);
  const reader = new LogReader(options);
  while (reader.visitNextSegment(visit));
  const recovery = reader.recovery();
  for (const { kind, segment, offset, sizeBytes } of recovery.issues) {
    options.logger.warn(`log segment ${segment.toString(16).padStart(8, "0")}: ${kind.replace("_", " ")}, ${sizeBytes} bytes at ${offset}`);
  }
  const writer = openLogWriter(options, recovery);
  return { writer, recovery };
}

/** The writer behind what a LogReader has read; also removes segments before the checkpoint that a crash brought back. */
export function openLogWriter(options: Omit<OpenLogOptions, "kernel">, recovery: LogRecovery): LogWriter {
  const { files, directory, directoryId, logger, segmentBytesMax } = options;
  const { nextSegment, previous, existingBytes } = recovery;
  const writer = new LogWriter({ files, directory, directoryId, firstSegment: nextSegment, previous, existingBytes, segmentBytesMax, logger });
  try {
    writer.removeSegmentsBefore(options.firstSegment);
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    logger.warn(error.message); // they are not read; the next checkpoint tries again
  }
  return writer;
}
