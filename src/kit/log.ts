export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** The few words of the logger we use: fields first, then one sentence. */
export interface Log {
  trace(fields: object, message: string): void;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: Record<string, unknown>): Log;
}

/** For tests and commands that keep quiet. */
export const silentLog: Log = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, child: () => silentLog };
