import { describe, expect, it } from 'vitest';
import { matchReceipts, type UnansweredPart, type UnmatchedReceipt } from './match-receipts.js';

const START = Date.UTC(2026, 10, 28, 10);
const MINUTE = 60_000;

const part = (messageId: string, rest: Partial<UnansweredPart> = {}): UnansweredPart => ({
  messageId,
  attempt: 1,
  part: 1,
  total: 1,
  reference: `reference of ${messageId}`,
  recipient: '420777123456',
  sender: '12345',
  startedAt: START,
  text: 'Your table is booked',
  ...rest,
});

const receipt = (id: string, rest: Partial<UnmatchedReceipt> = {}): UnmatchedReceipt => ({
  id,
  recipient: '420777123456',
  sender: '12345',
  text: null,
  heldMs: null,
  receivedAt: START + MINUTE,
  state: 'delivered',
  detail: 'DELIVRD',
  ...rest,
});

const pairs = (parts: readonly UnansweredPart[], receipts: readonly UnmatchedReceipt[]) =>
  matchReceipts(parts, receipts)
    .map(({ part: { messageId, attempt, part }, receipt: { id } }) => `${messageId}/${attempt}/${part} ${id}`)
    .sort();

const three = (messageId: string, attempt = 1) =>
  [1, 2, 3].map((number) => part(messageId, { part: number, total: 3, attempt, text: `Part number ${number} of it` }));

describe('matching receipts without a known id', () => {
  it.each<[string, UnansweredPart[], UnmatchedReceipt[], string[]]>([
    ['one receipt for one message', [part('A')], [receipt('1')], ['A/1/1 1']],
    ['another recipient', [part('A')], [receipt('1', { recipient: '420777000000' })], []],
    ['another sender', [part('A')], [receipt('1', { sender: '99999' })], []],
    ['a sender that the SMSC chose', [part('A', { sender: '' })], [receipt('1', { sender: '99999' })], ['A/1/1 1']],
    ['a receipt from before the attempt', [part('A')], [receipt('1', { receivedAt: START - 1 })], []],
    ['a message that the SMSC had before the attempt', [part('A')], [receipt('1', { heldMs: 10 * MINUTE })], []],
    ['dates that are rounded to minutes', [part('A')], [receipt('1', { heldMs: 2 * MINUTE })], ['A/1/1 1']],
    ['two messages and one receipt', [part('A'), part('B')], [receipt('1')], []],
    ['two messages and two receipts', [part('A'), part('B')], [receipt('1'), receipt('2')], []],
    ['one message and two receipts', [part('A')], [receipt('1'), receipt('2')], []],
    [
      'a second message that started after the receipt',
      [part('A'), part('B', { startedAt: START + 2 * MINUTE })],
      [receipt('1')],
      ['A/1/1 1'],
    ],
    [
      'two messages that their texts tell apart',
      [part('A'), part('B', { text: 'Your order has left' })],
      [receipt('1', { text: 'Your order ha' }), receipt('2', { text: 'YOUR TABLE' })],
      ['A/1/1 2', 'B/1/1 1'],
    ],
    ['a text of another message', [part('A')], [receipt('1', { text: 'Something else' })], []],
    ['a text that says nothing', [part('A')], [receipt('1', { text: '...' })], ['A/1/1 1']],
    [
      'a text of another alphabet, in the spelling of the SMSC',
      [part('A', { text: 'Привет' })],
      [receipt('1', { text: '041F0440' })],
      ['A/1/1 1'],
    ],
    [
      'two states of one id',
      [part('A')],
      [receipt('1', { state: 'sent' }), receipt('1', { state: 'delivered' })],
      ['A/1/1 1'],
    ],
    [
      'all parts of a long message',
      three('A'),
      [receipt('1'), receipt('2'), receipt('3')],
      ['A/1/1 1', 'A/1/2 2', 'A/1/3 3'],
    ],
    ['some parts of a long message', three('A'), [receipt('1')], ['A/1/1 1']],
    [
      'parts of a long message behind a copied header',
      three('A'),
      [receipt('7', { text: '\x05\x00\x03z\x03\x02Part number 2' })],
      ['A/1/2 7'],
    ],
    [
      'a message that was sent twice',
      [part('A'), part('A', { attempt: 2 })],
      [receipt('1'), receipt('2')],
      ['A/1/1 1', 'A/2/1 2'],
    ],
    ['a long message that was sent twice', [...three('A'), ...three('A', 2)], [receipt('1'), receipt('2')], []],
    [
      'a long message that was sent twice, with texts',
      [...three('A'), ...three('A', 2)],
      [receipt('1', { text: 'Part number 3' })],
      ['A/1/3 1'],
    ],
  ])('%s', (_name, parts, receipts, expected) => {
    expect(pairs(parts, receipts)).toEqual(expected);
  });
});
