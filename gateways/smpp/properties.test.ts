// Properties: long messages in any order, ids in any format, PDUs of any bytes.
import fc from 'fast-check';
import smpp from 'smpp';
import { describe, expect, it } from 'vitest';
import { gsmEncode } from '../../src/driver/shared/text.js';
import { createDriverState } from '../../test/fixtures/driver-state.js';
import { decode, encode, Malformed } from './pdu/pdu.js';
import { type IdFormatSetting, IdMatcher } from './receipts/id-format.js';
import { readReceipt } from './receipts/receipt.js';
import { decodeText } from './receive/data-coding.js';
import { join } from './receive/join-parts.js';
import { Reassembly } from './receive/reassembly.js';
import type { Segment } from './receive/segment.js';

const TIMEOUT = 60_000;
const words = fc.array(fc.constantFrom('a', '€', '[', ' ', 'é', '\n'), { minLength: 1, maxLength: 40 });

interface Sent {
  readonly segment: Segment;
  readonly message: number;
  readonly number: number;
}

/** Cuts the bytes of a text anywhere, also inside an escape, as some phones do. */
function cut(message: number, text: string, cuts: readonly number[]): Sent[] {
  const all = Buffer.from(gsmEncode(text) ?? []);
  const places = [...new Set(cuts.map((at) => at % all.length).filter((at) => at > 0))].sort((a, b) => a - b);
  const ends = [...places, all.length];
  return ends.map((end, at) => {
    const bytes = all.subarray(ends[at - 1] ?? 0, end);
    const place = { base: `base-${message}`, number: at + 1, total: ends.length };
    return { message, number: at + 1, segment: { from: '+1', to: '2', bytes, coding: 0, place, note: null } };
  });
}

describe('long messages', () => {
  it('arrive whole and once, whatever the order, the other messages, the repeats and the restarts', async () => {
    const message = fc.record({
      text: words.map((all) => all.join('')),
      cuts: fc.array(fc.nat(500), { maxLength: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(message, { minLength: 1, maxLength: 4 }),
        fc.infiniteStream(fc.nat()),
        async (all, dice) => {
          const driverState = createDriverState();
          const roll = (sides: number) => (dice.next().value ?? 0) % sides;
          const waiting = all
            .flatMap(({ text, cuts }, at) => cut(at, text, cuts))
            .filter(({ segment }) => (segment.place?.total ?? 0) > 1);
          const expected = [...new Set(waiting.map(({ message }) => message))].map((message) => all[message]?.text);
          let reassembly = new Reassembly(driverState, TIMEOUT);
          const texts: string[] = [];
          const take = async (sent: Sent) => {
            if (!sent.segment.place) return;
            const group = await reassembly.add(sent.segment, sent.segment.place, 1_000);
            if (group) texts.push((await reassembly.read(group))?.text ?? '');
          };
          const open = new Map<number, number>();
          while (waiting.length > 0) {
            const [sent] = waiting.splice(roll(waiting.length), 1);
            if (!sent) break;
            await take(sent);
            open.set(sent.message, (open.get(sent.message) ?? 0) + 1);
            // Again at once, while others are still missing.
            if (open.get(sent.message) !== sent.segment.place?.total && roll(3) === 0) await take(sent);
            if (roll(4) === 0) reassembly = new Reassembly(driverState, TIMEOUT);
          }
          expect(texts.sort()).toEqual(expected.sort());
        },
      ),
      { numRuns: 60 },
    );
  });

  it('with gaps show every part that arrived in its place, and name every part that did not', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 11 }), (numbers) => {
        const stored = (number: number) => ({
          from: '1',
          to: '2',
          total: 12,
          coding: 0,
          bytes: Buffer.from(`<${number}>`).toString('base64'),
        });
        const text = join(new Map(numbers.map((number) => [number, stored(number)])), 0)?.text ?? '';
        const shown = [...text.matchAll(/<(\d+)>/g)].map(([, number]) => Number(number));
        expect(shown).toEqual([...numbers].sort((a, b) => a - b));
        const named = [...text.matchAll(/\[parts? (\d+)(?: to (\d+))? of 12 missing\]/g)].flatMap(([, first, last]) =>
          Array.from({ length: Number(last ?? first) - Number(first) + 1 }, (_, at) => Number(first) + at),
        );
        expect([...shown, ...named].sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, at) => at + 1));
      }),
    );
  });

  it('are read by prefix and a page at a time', async () => {
    const driverState = createDriverState();
    const asked: { prefix: string; limit: number }[] = [];
    const watched = {
      ...driverState,
      listRecords: (collection: string, prefix: string, limit: number) => {
        asked.push({ prefix, limit });
        return driverState.listRecords(collection, prefix, limit);
      },
    };
    const reassembly = new Reassembly(watched, TIMEOUT);
    for (let message = 0; message < 200; message++) {
      const [first] = cut(message, 'two parts', [4]);
      if (first?.segment.place) await reassembly.add(first.segment, first.segment.place, message);
    }
    expect(await reassembly.expire(TIMEOUT + 1_000)).toHaveLength(50);
    expect(await reassembly.nextExpiry()).toBe(TIMEOUT + 50);
    for (const { prefix, limit } of asked) expect(prefix === '' ? limit <= 50 : limit <= 600).toBe(true);
  });
});

describe('ids of receipts', () => {
  const formats: [IdFormatSetting, (n: number) => string, (n: number) => string][] = [
    ['Auto', (n) => n.toString(16), (n) => n.toString(16).toUpperCase()],
    ['Auto', (n) => n.toString(16).padStart(8, '0'), (n) => n.toString(16)],
    ['Auto', (n) => n.toString(16), (n) => n.toString().padStart(10, '0')],
    ['Auto', (n) => n.toString(16).toUpperCase().padStart(10, '0'), (n) => n.toString()],
    ['Auto', (n) => n.toString(), (n) => n.toString(16)],
    ['Auto', (n) => `msg-${n}`, (n) => `msg-${n}`],
    ['Decimal', (n) => n.toString(16), (n) => n.toString()],
    ['Hex', (n) => n.toString(), (n) => n.toString(16).padStart(12, '0')],
  ];

  it.each(formats)(
    '%s %#: are the ids of submit_sm_resp, and the recipient decides between two',
    (format, give, write) => {
      fc.assert(
        fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 60 }), (numbers) => {
          const ids = new IdMatcher(format, undefined);
          for (const n of numbers) ids.add(give(n), `+42077${n}`);
          for (const n of numbers) expect(ids.resolve(write(n), `42077${n}`)).toEqual({ id: give(n), isKnown: true });
        }),
      );
    },
  );

  it.each(formats.slice(1, 5))(
    '%s %#: the learned format holds for ids from before a restart',
    (format, give, write) => {
      const before = new IdMatcher(format, undefined);
      for (let n = 0xa000; n < 0xa020; n++) before.add(give(n), '1');
      for (let n = 0xa000; n < 0xa020; n++) before.resolve(write(n), '1');
      const after = new IdMatcher(format, before.format);
      expect(after.resolve(write(0xabcd), '1')).toEqual({ id: give(0xabcd), isKnown: false });
    },
  );

  it('that fit two formats follow the format of most others', () => {
    const ids = new IdMatcher('Auto', undefined);
    // 0x10 to 0x9f: most receipts in decimal match a hexadecimal id as well.
    for (let n = 0x10; n <= 0x9f; n++) ids.add(n.toString(16), '');
    for (let n = 0xa0; n <= 0xaf; n++) ids.add(n.toString(16), '7');
    for (let n = 0xa0; n <= 0xaf; n++) expect(ids.resolve(n.toString(), '7').id).toBe(n.toString(16));
    expect(ids.resolve('24', '').id).toBe('18');
  });
});

describe('receipts', () => {
  it.each([
    ['id:7 sub:001 dlvrd:001 submit date:1 done date:2 stat:DELIVRD err:000 text:x', '7', 'delivered'],
    ['id:7 sub:001 dlvrd:000 submit date:1 done date:2 stat:EXPIRED err:012 text:', '7', 'undelivered'],
    ['ID:00ab STAT:REJECTD ERR:5', '00ab', 'undelivered'],
    ['id:7 stat:ACCEPTD', '7', 'sent'],
    ['id:7 stat:NONSENSE', '7', 'sent'],
    ['no receipt at all', null, 'sent'],
  ])('%j are read from the text', (text, id, state) => {
    const pdu = decode(encode('deliver_sm', 1, 0, { esm_class: 4, short_message: Buffer.from(text), data_coding: 0 }));
    expect(readReceipt(pdu)).toMatchObject({ id, state });
  });
});

describe('the bytes of a PDU', () => {
  const header = fc.record({
    id: fc.constantFrom(0x12345, ...Object.values(smpp.commands).map(({ id }) => id)),
    status: fc.constantFrom(0, 8),
    // Mostly small numbers: a count, and an end before everything counted has come.
    body: fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ max: 3, maxLength: 60 })),
  });

  it('are decoded or rejected as malformed, whatever they are', () => {
    fc.assert(
      fc.property(header, ({ id, status, body }) => {
        const bytes = Buffer.concat([Buffer.alloc(16), body]);
        bytes.writeUInt32BE(bytes.length, 0);
        bytes.writeUInt32BE(id, 4);
        bytes.writeUInt32BE(status, 8);
        try {
          expect(decode(bytes).body.length).toBe(body.length);
        } catch (error) {
          expect(error).toBeInstanceOf(Malformed);
        }
      }),
      { numRuns: 5_000 },
    );
  });

  it('that announce more than follows are malformed', () => {
    const whole = encode('deliver_sm', 1, 0, { short_message: Buffer.from('hello'), message_state: 2 });
    expect(decode(whole).bytes('short_message').toString()).toBe('hello');
    const at = whole.indexOf('hello');
    const longText = Buffer.from(whole);
    longText[at - 1] = 200;
    expect(() => decode(longText)).toThrow('short_message is shorter than its length says');
    const longTlv = Buffer.from(whole);
    longTlv.writeUInt16BE(9, at + 7);
    expect(() => decode(longTlv)).toThrow('an optional parameter runs over the end');
    expect(() => decode(whole.subarray(0, 20))).toThrow('it ends before');
  });

  it.each([0, 3, 6, 7, 8, 14, 0x10, 0x18, 0xc0, 0xe0, 0xf0])(
    'in data_coding %i give a text, whatever they are',
    (coding) => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
          expect(typeof decodeText(bytes, coding)?.text).toBe('string');
        }),
      );
    },
  );
});
