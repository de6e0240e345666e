// Receipts as carriers write them. The standard has one form as an example and calls it vendor specific.
import { describe, expect, it } from 'vitest';
import { decode, encode } from '../pdu/pdu.js';
import { readReceipt, receiptForm } from './receipt.js';

const DATES = 'submit date:2611221000 done date:2611221001';
const ucs2 = (text: string) => Buffer.from(text, 'utf16le').swap16();
const pduOf = (fields: Record<string, string | number | Buffer>) => {
  const { short_message = '', ...rest } = fields;
  const bytes = typeof short_message === 'string' ? Buffer.from(short_message, 'utf8') : short_message;
  return decode(
    encode('deliver_sm', 1, 0, { short_message: Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0), ...rest }),
  );
};
const read = (text: string, more: Record<string, string | number | Buffer> = {}) =>
  readReceipt(pduOf({ short_message: text, esm_class: 4, ...more }));

describe('the text of a receipt', () => {
  it.each([
    ['the form of the standard', `id:00a1 sub:001 dlvrd:001 ${DATES} stat:DELIVRD err:000 text:Hello`],
    [
      'capitals',
      `ID:00a1 SUB:001 DLVRD:001 SUBMIT DATE:2611221000 DONE DATE:2611221001 STAT:DELIVRD ERR:000 TEXT:Hello`,
    ],
    ['small letters', `id:00a1 sub:001 dlvrd:001 ${DATES} stat:delivrd err:000 text:Hello`],
    [
      'blanks behind the colons',
      `id: 00a1 sub: 001 dlvrd: 001 submit date: 2611221000 done date: 2611221001 stat: DELIVRD err: 000 text: Hello`,
    ],
    [
      'blanks for colons',
      `id 00a1 sub 001 dlvrd 001 submit date 2611221000 done date 2611221001 stat DELIVRD err 000 text Hello`,
    ],
    [
      'equals signs',
      `id=00a1&sub=001&dlvrd=001&submit_date=2611221000&done_date=2611221001&stat=DELIVRD&err=000&text=Hello`,
    ],
    ['commas', `id:00a1,sub:001,dlvrd:001,submit date:2611221000,done date:2611221001,stat:DELIVRD,err:000,text:Hello`],
    [
      'commas and blanks',
      `id:00a1, sub:001, dlvrd:001, submit date:2611221000, done date:2611221001, stat:DELIVRD, err:000, Text:Hello`,
    ],
    ['semicolons', `id:00a1;submit date:2611221000;done date:2611221001;stat:DELIVRD;err:000;text:Hello`],
    ['bars', `id:00a1|submit date:2611221000|done date:2611221001|stat:DELIVRD|err:000|text:Hello`],
    [
      'lines',
      `id:00a1\r\nsub:001\r\nsubmit date:2611221000\r\ndone date:2611221001\r\nstat:DELIVRD\r\nerr:000\r\ntext:Hello`,
    ],
    [
      'quotes',
      `id:"00a1" sub:"001" submit date:"2611221000" done date:"2611221001" stat:"DELIVRD" err:"000" text:Hello`,
    ],
    ['single quotes', `id:'00a1' submit date:'2611221000' done date:'2611221001' stat:'DELIVRD' err:'000' text:Hello`],
    ['dates with seconds', `id:00a1 submit date:261122100000 done date:261122100100 stat:DELIVRD err:000 text:Hello`],
    [
      'dates with the century',
      `id:00a1 submit date:20261122100000 done date:20261122100100 stat:DELIVRD err:000 text:Hello`,
    ],
    [
      'dates with the century, without seconds',
      `id:00a1 submit date:202611221000 done date:202611221001 stat:DELIVRD err:000 text:Hello`,
    ],
    [
      'dates with signs',
      `id:00a1 submit date:2026-11-22 10:00:00 done date:2026-11-22 10:01:00 stat:DELIVRD err:000 text:Hello`,
    ],
    ['other names', `message_id:00a1 submit_date:2611221000 done_date:2611221001 status:DELIVERED error:000 txt:Hello`],
    [
      'blanks where others have colons',
      `id:00a1 submit date 2611221000 done date 2611221001 stat:DELIVRD err:000 text:Hello`,
    ],
    ['a heading in front', `Delivery receipt: id:00a1 ${DATES} stat:DELIVRD err:000 text:Hello`],
  ])('with %s is read', (_name, text) => {
    expect(read(text)).toMatchObject({ id: '00a1', state: 'delivered', text: 'Hello', heldMs: 60_000 });
    const other = read(text.replace(/DELIVRD|DELIVERED|delivrd/, 'UNDELIV'));
    expect(other).toMatchObject({ id: '00a1', state: 'undelivered' });
  });

  it.each([
    ['the id', `id:7 stat:DELIVRD`, { id: '7', state: 'delivered', text: null, heldMs: null }],
    ['no id', `stat:DELIVRD err:000`, { id: null, state: 'delivered' }],
    ['no state', `id:7 ${DATES} err:000 text:`, { id: '7', state: 'sent', text: null }],
    [
      'empty fields',
      `id:7 sub: dlvrd: submit date: done date: stat:FAILED err: text:`,
      { id: '7', state: 'undelivered', heldMs: null },
    ],
    ['dates that are none', `id:7 submit date:0000000000 done date:9999999999 stat:DELIVRD`, { id: '7', heldMs: null }],
    ['nothing', '', { id: null, state: 'sent', text: null }],
  ])('that has %s is read as far as it goes', (_name, text, found) => expect(read(text)).toMatchObject(found));

  it('behind "text:" belongs to the message, whatever it looks like', () => {
    const text = 'id:7 stat:DELIVRD err:000 text:id:8 stat:UNDELIV err:99 submit date:1';
    expect(read(text)).toMatchObject({ id: '7', state: 'delivered', text: 'id:8 stat:UNDELIV err:99 submit date:1' });
  });

  it.each([
    ['UCS-2 by its data_coding', { data_coding: 8 }, ucs2],
    ['UCS-2 under data_coding 0', { data_coding: 0 }, ucs2],
    ['UCS-2 behind a byte order mark', { data_coding: 8 }, (text: string) => ucs2(`\ufeff${text}`)],
    ['little-endian UCS-2', { data_coding: 8 }, (text: string) => Buffer.from(text, 'utf16le')],
    ['little-endian UCS-2 under data_coding 0', {}, (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le')],
    ['UTF-8 behind a byte order mark', {}, (text: string) => Buffer.from(`\ufeff${text}`, 'utf8')],
    [
      'a user data header in front',
      { esm_class: 0x44 },
      (text: string) => Buffer.from(`\x05\0\x03\x07\x01\x01${text}`, 'latin1'),
    ],
  ])('in %s is read', (_name, more, encoded) => {
    const short_message = encoded(`id:00a1 sub:001 dlvrd:000 ${DATES} stat:UNDELIV err:002 text:Hello`);
    const found = readReceipt(pduOf({ esm_class: 4, ...more, short_message }));
    expect(found).toMatchObject({ id: '00a1', state: 'undelivered', text: 'Hello', heldMs: 60_000 });
  });

  it('in message_payload is read, also beside another short_message', () => {
    const message_payload = Buffer.from(`id:00a1 ${DATES} stat:DELIVRD err:000`);
    for (const short_message of ['', 'Message delivered'])
      expect(read(short_message, { message_payload })).toMatchObject({ id: '00a1', state: 'delivered' });
    const inUcs2 = ucs2('id:00a1 stat:EXPIRED');
    expect(read('', { message_payload: inUcs2, data_coding: 8 })).toMatchObject({ id: '00a1', state: 'undelivered' });
  });

  it('of 65,000 octets is read within moments', () => {
    for (const words of ['id ', 'stat:', ' ,;|', 'submit ', '"\'', 'text', 'done date']) {
      const message_payload = Buffer.from(words.repeat(65_000 / words.length));
      expect(typeof read('', { message_payload }).state).toBe('string');
    }
  });
});

describe('the state of a receipt', () => {
  it.each([
    'UNDELIV',
    'UNDELIVERED',
    'UNDELIVRD',
    'UNDELIVERABLE',
    'FAILED',
    'FAIL',
    'EXPIRED',
    'DELETED',
    'REJECTD',
    'REJECTED',
    'SKIPPED',
    'NOT DELIVERED',
    'NOT_DELIVERED',
    'Non-Delivered',
    'CANCELLED',
    'BLOCKED',
    'DELIVERY FAILED',
    'Delivery_Failure',
    'ERROR',
    'NICHT ZUGESTELLT',
    'nicht zustellbar',
    'Abgelaufen',
    'НЕ ДОСТАВЛЕНО',
    'Недоставлено',
    'Просрочено',
    'Отклонено',
    '5',
    '3',
    '8',
  ])('%s is undelivered', (stat) => expect(read(`id:7 stat:${stat} err:001`).state).toBe('undelivered'));

  it.each([
    'DELIVRD',
    'DELIVERED',
    'Delivered',
    'DELIVERD',
    'DELIVERED_TO_HANDSET',
    'Zugestellt',
    'ДОСТАВЛЕНО',
    'Доставлен',
    '2',
  ])('%s is delivered', (stat) => expect(read(`id:7 stat:${stat} err:001`).state).toBe('delivered'));

  it.each([
    'ACCEPTD',
    'ACCEPTED',
    'ENROUTE',
    'BUFFRED',
    'SENT',
    'UNKNOWN',
    'DELIVERED TO NETWORK',
    'XYZ',
    'Отправлено',
    '1',
    '77',
  ])('%s says no more than sent', (stat) => expect(read(`id:7 stat:${stat} err:001`).state).toBe('sent'));

  it.each([
    [5, 'DELIVRD', 'undelivered', 'UNDELIV (text: DELIVRD)'],
    [2, 'UNDELIV', 'delivered', 'DELIVRD (text: UNDELIV)'],
    [2, 'DELIVRD', 'delivered', 'DELIVRD'],
    [1, 'DELIVRD', 'delivered', 'DELIVRD'],
    [5, 'XYZ', 'undelivered', 'XYZ'],
    [99, 'UNDELIV', 'undelivered', 'UNDELIV'],
  ])('message_state %i beside stat:%s is %s', (message_state, stat, state, detail) =>
    expect(read(`id:7 stat:${stat}`, { message_state })).toMatchObject({ state, detail }),
  );

  it('comes from message_state alone where there is no text', () => {
    const receipted_message_id = '00A1';
    expect(read('', { receipted_message_id, message_state: 8 })).toMatchObject({
      id: '00A1',
      state: 'undelivered',
      detail: 'REJECTD',
    });
    expect(read('', { receipted_message_id })).toMatchObject({ id: '00A1', state: 'sent', detail: 'UNKNOWN' });
  });
});

describe('the form of a receipt without its flag', () => {
  it.each([
    [`id:7 sub:001 dlvrd:001 ${DATES} stat:DELIVRD err:000 text:`, 'whole'],
    ['ID:7, STAT:FAILED', 'short'],
    ['id 7 stat DELIVRD', 'short'],
    ['My id: 7, the stat: DELIVRD', 'none'],
    ['id:7', 'none'],
    ['id:7 stat:all is well', 'none'],
    ['stat:DELIVRD id:7', 'none'],
    ['id: stat:DELIVRD', 'none'],
    ['identity: 7 status: DELIVRD', 'none'],
    ['Hello, where is my shipment?', 'none'],
    ['', 'none'],
  ])('%j is %s', (text, form) => expect(receiptForm(pduOf({ short_message: text }))).toBe(form));
});
