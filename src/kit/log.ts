import { Writable } from 'node:stream';
import { pino, stdTimeFunctions } from 'pino';
import pretty from 'pino-pretty';
import { visible, visibleInJson } from './invisible.js';
import type { Redactor } from './redact.js';

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

export interface LogOptions {
  level: LogLevel;
  redactor: Redactor;
  /** Pretty lines for a terminal instead of JSON lines. */
  pretty: boolean;
  /** Where lines go; standard error when absent, so that standard output stays for results. */
  write?: (line: string) => void;
}

export function createLog(options: LogOptions): Log {
  const write = options.write ?? ((line: string) => void process.stderr.write(line));
  const sink = {
    write(line: string) {
      write(options.redactor.redact(line));
      return true;
    },
  };
  const settings = { level: options.level, base: null, timestamp: stdTimeFunctions.isoTime };
  // What counterparties wrote stands in fields: before it is coloured it must not steer the terminal.
  if (!options.pretty) return pino(settings, { write: (line: string) => sink.write(visible(line)) });
  const stream = prettyStream(sink);
  return pino(settings, { write: (line: string) => void stream.write(visibleInJson(line)) });
}

function prettyStream(sink: { write(line: string): boolean }) {
  const destination = new Writable({
    write(chunk, _encoding, done) {
      sink.write(String(chunk));
      done();
    },
  });
  const colorize = process.stderr.isTTY === true;
  return pretty({ destination, colorize, translateTime: 'SYS:HH:MM:ss', singleLine: true, sync: true });
}

/** For tests and commands that keep quiet. */
export const silentLog: Log = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, child: () => silentLog };
