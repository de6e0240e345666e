import { Writable } from 'node:stream';
import { pino, stdTimeFunctions } from 'pino';
import pretty from 'pino-pretty';
import { visible, visibleInJson } from './invisible.js';
import type { Log, LogLevel } from './log.js';
import type { Redactor } from './redact.js';

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
