// Owns what every journal test needs: a journal in a directory of its own, taken down after the test, and messages to put in.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { afterEach } from 'vitest';
import type { Journal, NewArrival, NewOrder } from '../../src/journal/journal.js';
import { type JournalOptions, openJournal } from '../../src/journal/open.js';
import { silentLog } from '../../src/kit/log.js';
import { type ManualClock, manualClock } from '../kit/manual-clock.js';

export const DAY = 24 * 60 * 60 * 1000;

export interface Place {
  dir: string;
  /** The journal file. */
  path: string;
  url: string;
  clock: ManualClock;
  /** Opens the journal; it is closed after the test unless the test does so. */
  open(options?: Partial<JournalOptions>): Promise<Journal>;
  /** Rows of the journal file, read behind the journal's back. */
  rows(sql: string): Record<string, unknown>[];
}

const undo: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** Runs after the test, before the directories go. */
export function later(step: () => Promise<void> | void): void {
  undo.push(step);
}

export function place(): Place {
  const dir = mkdtempSync(join(tmpdir(), 'gatepost-journal-'));
  later(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, 'journal.db');
  const clock = manualClock();
  return {
    dir,
    path,
    url: `sqlite:${path}`,
    clock,
    async open(options = {}) {
      const journal = await openJournal(`sqlite:${path}`, { clock, log: silentLog, ...options });
      later(() => journal.close());
      return journal;
    },
    rows(sql) {
      const database = new DatabaseSync(path, { readOnly: true });
      try {
        return database.prepare(sql).all();
      } finally {
        database.close();
      }
    },
  };
}

export function arrival(key: string, changes: Partial<NewArrival> = {}): NewArrival {
  return {
    gatewayId: 'in',
    key,
    fingerprint: `fp-${key}`,
    deliverySystemId: `${key}@customers.example`,
    rfcMessageId: `${key}@customers.example`,
    references: `<${key}@customers.example>`,
    remoteAddress: 'Carla@Customers.example',
    subject: 'Where is my parcel?',
    bytes: 1_234,
    notes: [],
    attachments: [],
    ...changes,
  };
}

export function order(messageId: string, changes: Partial<NewOrder> = {}): NewOrder {
  return {
    messageId,
    gatewayId: 'out',
    remoteAddress: 'carla@customers.example',
    subject: 'Re: Where is my parcel?',
    bytes: 2_000,
    at: Date.UTC(2026, 10, 22, 10, 0, 0),
    ...changes,
  };
}

/** Opens an arrival and takes it through to the ack. */
export async function taken(journal: Journal, key: string, changes: Partial<NewArrival> = {}) {
  const { requestId } = await journal.open(arrival(key, changes));
  const record = await journal.acknowledge(requestId, { messageId: `msg-${key}`, at: 1 });
  if (!record) throw new Error(`${key} was not acknowledged`);
  return record;
}

/** The one item of a list that must have exactly one. */
export function only<T>(items: readonly T[]): T {
  const [item, ...more] = items;
  if (item === undefined || more.length > 0) throw new Error(`${items.length} items instead of one`);
  return item;
}
