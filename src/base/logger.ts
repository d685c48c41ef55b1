/** Leveled log lines to standard error, as plain text (`default`) or one JSON object a line (`json`). */
export type LogLevel = "INFO" | "WARN" | "ERROR" | "FATAL" | "PANIC";

export interface Logger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

const levelRank: Record<LogLevel, number> = { INFO: 0, WARN: 1, ERROR: 2, FATAL: 3, PANIC: 4 };

/** A logger that writes lines at or above `level` with `write`. */
export function createLogger(options: {
  level: LogLevel;
  format: "default" | "json";
  write: (line: string) => void;
  nowMs: () => number;
}): Logger {
  const emit = (level: LogLevel, message: string): void => {
    if (levelRank[level] < levelRank[options.level]) return;
    const time = new Date(options.nowMs()).toISOString();
    const line =
      options.format === "json" ? JSON.stringify({ ts: time, level: level.toLowerCase(), msg: message }) : `${time}\t${level.toLowerCase()}\t${message}`;
    options.write(line + "\n");
  };
  return {
    info: (message) => emit("INFO", message),
    warn: (message) => emit("WARN", message),
    error: (message) => emit("ERROR", message),
  };
}

/** Swallows everything; for tests. */
export const silentLogger: Logger = { info() {}, warn() {}, error() {} };
