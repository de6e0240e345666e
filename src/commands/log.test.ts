import { describe, expect, test } from 'vitest';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import type { LogEntry, LogFilter } from '../journal/types/log.js';
import { type LogOptions, logCommand } from './log.js';

const GATEWAY = '11111111-1111-4111-8111-111111111111';

const entry = (id: number, event = 'received', detail: string | null = null): LogEntry => ({
  id,
  at: Date.UTC(2026, 10, 22, 10, 15, 30) + id,
  gatewayId: GATEWAY,
  direction: 'I',
  event,
  subject: `key-${id}`,
  deliverySystemId: `m-${id}@example.com`,
  messageId: null,
  remoteAddress: 'ann@example.com',
  detail,
});

/** A journal in memory that counts the rows each read has to look at. */
function fakeJournal(rows: LogEntry[]) {
  const filters: LogFilter[] = [];
  const scanned: number[] = [];
  return {
    rows,
    filters,
    scanned,
    lastEntryId: async () => rows.at(-1)?.id ?? 0,
    entries: async (filter: LogFilter) => {
      filters.push(filter);
      const candidates = rows.filter(({ id }) => id > (filter.after ?? 0));
      scanned.push(candidates.length);
      const found = candidates.filter(({ event }) => filter.event === undefined || event === filter.event);
      return filter.after === undefined ? found.slice(-filter.limit) : found.slice(0, filter.limit);
    },
  };
}

async function printed(
  options: Partial<LogOptions>,
  rows: LogEntry[],
): Promise<{ text: string; filters: LogFilter[] }> {
  let text = '';
  const print = (part: string) => {
    text += part;
  };
  const journal = fakeJournal(rows);
  const names = new Map([[GATEWAY, 'Support']]);
  const output = { out: print, say: print, isTerminal: false };
  await logCommand(
    { format: 'table', limit: 200, ...options },
    journal,
    names,
    manualClock(),
    output,
    new AbortController().signal,
  );
  return { text, filters: journal.filters };
}

describe('gatepost log --follow', () => {
  test('reads no entry twice, also when none matches', async () => {
    const rows = Array.from({ length: 1_000 }, (_, at) => entry(at + 1));
    const journal = fakeJournal(rows);
    const clock = manualClock();
    const stop = new AbortController();
    let text = '';
    const print = (part: string) => {
      text += part;
    };
    const following = logCommand(
      { format: 'csv', limit: 2, status: 'rejected', follow: true },
      journal,
      new Map(),
      clock,
      { out: print, say: print, isTerminal: false },
      stop.signal,
    );
    const round = async (expected: number) => {
      await clock.advance(500);
      await waitFor(`round ${expected}`, () => journal.scanned.length > expected);
    };
    await waitFor('the first read', () => journal.scanned.length === 1);
    await round(1);
    await round(2);
    rows.push(entry(1_001), entry(1_002, 'rejected'), entry(1_003, 'rejected'), entry(1_004, 'rejected'));
    await round(3);
    await round(4);
    await round(5);
    stop.abort();
    await following;
    expect(journal.scanned.slice(0, 6)).toEqual([1_000, 0, 0, 4, 1, 0]);
    expect(text.match(/key-|m-\d+/g)).toEqual(['m-1002', 'm-1003', 'm-1004']);
  });
});

describe('what other programs read', () => {
  test('JSON has its members under their old names', async () => {
    const { text } = await printed({ format: 'json' }, [entry(7, 'dispatched')]);
    expect(Object.keys(JSON.parse(text))).toEqual([
      'id',
      'at',
      'gatewayId',
      'direction',
      'step',
      'subject',
      'deliverySystemId',
      'messageId',
      'remoteAddress',
      'detail',
      'gateway',
    ]);
    expect(JSON.parse(text)).toMatchObject({ step: 'dispatched', gateway: 'Support' });
  });

  test('CSV has its columns under their old names, quotes, and disarms formulas', async () => {
    const { text } = await printed({ format: 'csv' }, [entry(7, 'rejected', '=1+1, "x"')]);
    expect(text).toBe(
      'time,gateway,dir,step,address,id,detail\r\n' +
        `2026-11-22 10:15:30.007,Support,in,rejected,ann@example.com,m-7@example.com,"'=1+1, ""x"""\r\n`,
    );
  });

  test('the table calls the same column event', async () => {
    expect((await printed({}, [entry(7)])).text.split('\n')[0]).toMatch(/^time +gateway +dir +event +/);
  });
});

test.each([
  ['handed', 'dispatched'],
  ['refused', 'rejected'],
  ['postponed', 'deferred'],
  ['released', 'requeued'],
  ['ordered', 'requested'],
  ['begun', 'attempt_started'],
  ['confirmed', 'confirmed'],
])('--status %s finds the event %s', async (asked, event) => {
  expect((await printed({ status: asked }, [])).filters).toEqual([{ limit: 200, event }]);
});
