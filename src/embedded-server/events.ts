// Event lines of the store, for operators to read.
import { z } from 'zod';
import type { Sqlite } from '../kit/sqlite.js';

export interface MessageEvent {
  id: number;
  /** Ms since the epoch. */
  at: number;
  text: string;
}

export interface Events {
  /** Adds a line to the events of a message, or to the general events (`null`), inside the caller's transaction. */
  add(message: string | null, at: number, text: string): void;
  /** The lines of one message with an id above `after`, oldest first. */
  of(message: string, after?: number): MessageEvent[];
  /** The newest general lines (refusals, protocol faults) since `since`, newest first. */
  general(since: number, limit: number): MessageEvent[];
}

/** A connector decides how often an event comes about, so the events of one message are bounded. */
const PER_MESSAGE = 200;
/** General lines that are retained: some days of a badly misbehaving connector. */
const GENERAL = 1_000;
/** Room for a relay's longest reply; the whole is in the connector's own log. UTF-16 code units. */
const LONGEST = 2_000;

const eventRow = z.object({ id: z.number(), at: z.number(), text: z.string() });

export function events(database: Sqlite): Events {
  const insert = database.prepare(
    `INSERT INTO message_event (message, at, text) SELECT :message, :at, :text
     WHERE :message IS NULL OR (SELECT count(*) FROM message_event WHERE message = :message) < ${PER_MESSAGE}`,
  );
  const trim = database.prepare(
    `DELETE FROM message_event WHERE message IS NULL AND id <=
       (SELECT id FROM message_event WHERE message IS NULL ORDER BY id DESC LIMIT 1 OFFSET ${GENERAL})`,
  );
  const ofMessage = database.prepare('SELECT id, at, text FROM message_event WHERE message = ? AND id > ? ORDER BY id');
  const latest = database.prepare(
    'SELECT id, at, text FROM message_event WHERE message IS NULL AND at >= ? ORDER BY id DESC LIMIT ?',
  );
  return {
    add(message, at, text) {
      insert.run({ message, at, text: storable(text).slice(0, LONGEST) });
      if (message === null) trim.run();
    },
    of: (message, after = 0) => ofMessage.all(message, after).map((row) => eventRow.parse(row)),
    general: (since, limit) => latest.all(since, limit).map((row) => eventRow.parse(row)),
  };
}

/** SQLite's texts end at a NUL, silently: it becomes the replacement character, so that nothing behind it is lost. */
export function storable(text: string): string {
  return text.replaceAll('\0', '\uFFFD');
}
