/**
 * The process log. Levels are Ceph's debug levels: 0 always, 1 rare events, 5 per state change, 10 per operation, 20 everything.
 * Secrets never go in.
 */
export interface Logger {
  /** True where a message of that subsystem and level would be written: guard costly formatting with it. */
  enabled(subsystem: string, level: number): boolean;
  log(subsystem: string, level: number, message: string): void;
  /** An error for the operator: level -1, always written. */
  error(subsystem: string, message: string): void;
}

export const silentLogger: Logger = {
  enabled: () => false,
  log: () => {},
  error: () => {},
};
