// Text messages to MessageContentInfo and back.
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { brokenPromises, context, GATEWAY, PNG, RECEIVED } from '../../../test/fixtures/mail.js';
import { systemClock } from '../../kit/clock.js';
import { isGsm } from '../../kit/gsm.js';
import { silentLog } from '../../kit/log.js';
import type { TextMessage, TextRules } from '../../model/content.js';
import type { MessageContentInfo } from '../../model/message.js';
import { createReader } from '../create-reader.js';
import { composeText } from './compose.js';
import { consentOf, USUAL_KEYWORDS } from './keywords.js';
import { readText } from './read-text.js';
import { transliterate } from './transliterate.js';

const RULES: TextRules = { region: 'CZ', sender: undefined, transliterate: false, optOutGroup: undefined };

function textOf(more: Partial<TextMessage> = {}): TextMessage {
  return {
    kind: 'text',
    from: '+420777123456',
    to: '90210',
    text: 'Hello',
    providerId: 'SM1',
    receivedAt: RECEIVED,
    sentAt: RECEIVED - 5_000,
    media: [],
    notes: [],
    ...more,
  };
}

const read = (more: Partial<TextMessage> = {}, rules: Partial<TextRules> = {}) =>
  readText(textOf(more), { ...RULES, ...rules }, context);

const large = (name: string, bytes: Uint8Array = Buffer.concat([PNG, Buffer.alloc(1_100_000, 7)])) => ({
  name,
  type: 'image/png',
  bytes,
});

describe('reading a text message', () => {
  const reader = createReader({ clock: systemClock, log: silentLog });
  afterAll(() => reader.close());

  test('fills the members of the message', async () => {
    const { message, attachments, notes, consent } = await reader.readText(
      textOf({ text: 'Hi <b>\r\nthere' }),
      RULES,
      context,
    );
    expect(message).toMatchObject({
      DeliverySystemId: 'SM1',
      FromField: '+420 777 123 456',
      RemoteAddress: '+420777123456',
      ToField: '90210',
      Direction: 'I',
      SubjectField: null,
      BodyText: 'Hi <b>\nthere',
      BodyHtml: '<p>Hi &lt;b&gt;<br>\nthere</p>',
      ReceivedSentTime: '2026-11-22T10:15:30.123Z',
      DraftTime: '2026-11-22T10:15:25.123Z',
      Culture: null,
    });
    expect({ attachments, notes, consent }).toEqual({ attachments: [], notes: [], consent: null });
  });

  test('makes an id where the carrier gives none: the same for the same message, another for another', () => {
    const id = (more: Partial<TextMessage>) => read({ providerId: null, ...more }).message.DeliverySystemId;
    expect(id({})).toMatch(/^[\w-]{43}@gatepost$/);
    expect(id({ receivedAt: RECEIVED + 1 })).toBe(id({}));
    expect(new Set([id({}), id({ text: 'Hello!' }), id({ from: '+420777123457' }), id({ sentAt: null })]).size).toBe(4);
    expect(id({ media: [large('a.png')] })).not.toBe(id({ media: [large('a.png', PNG)] }));
    expect(read({ providerId: 'x'.repeat(100) }).message.DeliverySystemId).toMatch(/^x{36}~[\w-]{43}$/);
  });

  test('an unplausible time of sending is none', () => {
    for (const sentAt of [Number.NaN, -1, 9e15, RECEIVED + 7 * 86_400_000])
      expect(read({ sentAt }).message.DraftTime).toBeNull();
  });

  test('what the driver and the sender leave unsaid stands at the end of both bodies', () => {
    const { message, notes } = read(
      { from: '2025551234', notes: ['Part 3 of 5 is <missing>.\u0007'] },
      { region: undefined },
    );
    expect(notes).toEqual([
      'Part 3 of 5 is <missing>.',
      "The sender's number 2025551234 is shown as it came: its country code cannot be told.",
    ]);
    expect(message.BodyText).toBe(`Hello\n\n[Notes]\n- ${notes[0]}\n- ${notes[1]}`);
    expect(message.BodyHtml).toContain('<li>Part 3 of 5 is &lt;missing&gt;.</li>');
    expect(read({ from: '' }).message).toMatchObject({ RemoteAddress: 'unknown', FromField: 'unknown' });
  });

  test('control characters and halves of surrogate pairs do not get in', () => {
    const { message } = read({ text: 'a\u0000b\u001b[31m\ud83d c\u009b' });
    expect(message.BodyText).toBe('ab[31m\ufffd c');
  });

  test('a text of any length is shown in part and attached whole', () => {
    const text = '😀'.repeat(100_000);
    const { message, attachments, notes } = read({ text });
    expect(message.BodyText).toMatch(/^(?:😀)+\n/u);
    expect(message.BodyText.length).toBeLessThan(70_000);
    expect(attachments.map(({ name, bytes }) => [name, Buffer.from(bytes).toString()])).toEqual([
      ['message.txt', text],
    ]);
    expect(notes).toHaveLength(1);
  });

  test('whatever comes: never a throw, all members within their limits, everything said in both bodies', () => {
    const strange = fc.string({ unit: 'binary', maxLength: 300 });
    const files = fc.array(fc.record({ name: strange, type: strange, bytes: fc.uint8Array({ maxLength: 20 }) }), {
      maxLength: 3,
    });
    const texts = fc.record({
      from: strange,
      to: strange,
      text: fc.oneof(strange, fc.constantFrom('', '\u0000', ' \n', '>'.repeat(50))),
      providerId: fc.option(strange),
      sentAt: fc.option(fc.double()),
      media: files,
      notes: fc.array(strange, { maxLength: 3 }),
    });
    fc.assert(
      fc.property(texts, fc.constantFrom(undefined, 'CZ', 'XX'), (more, region) => {
        expect(brokenPromises(read(more, { region }))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  test('the language is told where the text is clear, the country of the number being a presumption', () => {
    const culture = (text: string, from = '+420777123456') => read({ text, from }).message.Culture;
    expect(culture('Καλημέρα, ok')).toBe('el');
    expect(culture('안녕하세요')).toBe('ko');
    expect(culture('今日はいい天気')).toBe('ja');
    expect(culture('Dobrý den, přijdu až zítra')).toBe('cs');
    expect(culture('Dobrý den, přijdu až zítra', '+4915123456789')).toBeNull();
    expect(culture('Dobrý den, přijdu až zítra', '90210')).toBe('cs');
    expect(read({ text: 'Dobrý den, přijdu až zítra', from: '90210' }, { region: 'DE' }).message.Culture).toBeNull();
    for (const text of ['Dobrý den', 'Привіт', '今天天气', 'α = 5 in the formula', '😀', ''])
      expect(culture(text)).toBeNull();
  });
});

describe('pictures and files', () => {
  test('a small picture is shown and named in the text', () => {
    const { message, attachments } = read({ media: [{ name: 'me "1".png', type: 'image/png', bytes: PNG }] });
    expect(attachments).toEqual([]);
    expect(message.BodyHtml).toContain(`<img src="data:image/png;base64,${PNG.toString('base64')}" alt="me _1_.png">`);
    expect(message.BodyText).toMatch(/^Hello\n\[Picture: me _1_\.png, \d+ bytes\]$/);
  });

  test('large pictures and other files are attached, with links in both bodies', () => {
    const card = { name: '', type: 'text/vcard; charset=utf-8', bytes: Buffer.from('BEGIN:VCARD') };
    const { message, attachments } = read({ media: [large('big.png'), card] });
    expect(attachments.map(({ name, type }) => [name, type])).toEqual([
      ['big.png', 'image/png'],
      ['file2.txt', 'text/vcard'],
    ]);
    for (const { id } of attachments) {
      expect(message.BodyText).toContain(`https://gate.example/a/${id}/`);
      expect(message.BodyHtml).toContain(`https://gate.example/a/${id}/`);
    }
    expect(message.BodyHtml).not.toContain('<img');
  });

  test('what calls itself a picture and is none is attached, not shown', () => {
    const bytes = Buffer.from('<svg onload="alert(1)">');
    const { message, attachments } = read({ media: [{ name: 'x.png', type: 'image/png', bytes }] });
    expect(message.BodyHtml).not.toContain('<img');
    expect(attachments).toHaveLength(1);
  });

  test('the ids of attachments are the same at every reading, and another file has another', () => {
    const ids = (media: TextMessage['media']) => read({ media }).attachments.map(({ id }) => id);
    const [first, second] = [large('1.png'), large('2.png', Buffer.from('no picture'))];
    expect(ids([first, second])).toEqual(ids([first, second]));
    expect(new Set([...ids([first, second]), ...ids([second])]).size).toBe(3);
  });

  test('pictures beyond the budget together are attached', () => {
    const half = Buffer.concat([PNG, Buffer.alloc(600_000)]);
    const { attachments } = read({ media: [large('1.png', half), large('2.png', half), large('3.png', PNG)] });
    expect(attachments.map(({ name }) => name)).toEqual(['2.png']);
  });
});

describe('consent', () => {
  test.each([
    ['STOP', 'stop'],
    [' stop.\n', 'stop'],
    ['"Stop!!"', 'stop'],
    ['Stop  all', 'stop'],
    ['arrêt', 'stop'],
    ['ARRE\u0302T', 'stop'],
    ['odhlásit', 'stop'],
    ['İPTAL', 'stop'],
    ['стоп', 'stop'],
    ['στοπ', 'stop'],
    ['Unstop', 'start'],
    ['START', 'start'],
    ['Pomoc?', 'help'],
    ['info', 'help'],
  ] as const)('%j says %s', (text, consent) => {
    expect(consentOf(text)).toBe(consent);
    expect(read({ text }).consent).toBe(consent);
  });

  test.each(['Please stop by at noon', 'STOP it', 'non-stop', 'yes', '', '!!!', `stop${' '.repeat(500)}now`])(
    '%j says nothing of the kind',
    (text) => expect(consentOf(text)).toBeNull(),
  );

  test('what the carrier made of it counts more', () => {
    expect(read({ text: 'Hello', consent: 'stop' }).consent).toBe('stop');
    expect(read({ text: 'STOP', consent: 'help' }).consent).toBe('help');
  });

  test('own keywords take the place of the usual ones', () => {
    const keywords = { stop: ['Končím!'], start: ['znovu'], help: [] };
    expect(read({ text: 'KONCIM' }, { keywords }).consent).toBe('stop');
    expect(read({ text: 'STOP' }, { keywords }).consent).toBeNull();
  });

  test('no usual keyword says two things', () => {
    for (const [consent, words] of Object.entries(USUAL_KEYWORDS))
      for (const word of words) expect(consentOf(word)).toBe(consent);
  });
});

describe('composing a text message', () => {
  const SEND_REQUEST = {
    GatewayId: GATEWAY,
    MessageId: '5f2c8f0e-6f0e-4c38-9d0a-0d5c4d8e7a11',
    RemoteAddress: '777123456',
    BodyText: 'Hello',
  };
  const compose = (more: Partial<MessageContentInfo> = {}, rules: Partial<TextRules> = {}) =>
    composeText({ ...SEND_REQUEST, ...more }, { ...RULES, ...rules });
  const composed = (...given: Parameters<typeof compose>) => {
    const result = compose(...given);
    if (!result.ok) throw new Error(result.problem);
    return result.message;
  };
  const problem = (...given: Parameters<typeof compose>) => {
    const result = compose(...given);
    return result.ok ? 'none' : result.problem;
  };

  test('gives the number as E.164, the text, its size and a reference', () => {
    expect(compose()).toEqual({
      ok: true,
      message: {
        kind: 'text',
        to: '+420777123456',
        from: undefined,
        text: 'Hello',
        encoding: 'GSM-7',
        segments: 1,
        reference: SEND_REQUEST.MessageId,
      },
    });
    expect(composed({ BodyText: 'č'.repeat(71) })).toMatchObject({ encoding: 'UCS-2', segments: 2 });
  });

  test('the text is made from the HTML when only that is given', () => {
    expect(composed({ BodyText: ' ', BodyHtml: '<p>Hello <b>Ann</b>,</p><p>bye</p>' }).text).toBe('Hello Ann,\n\nbye');
    expect(composed({ BodyText: null, BodyHtml: '<p>Hi</p>' }).text).toBe('Hi');
    expect(composed({ BodyHtml: '<p>other</p>' }).text).toBe('Hello');
  });

  test('the reference is the id that the server proposes, when it has the length of one', () => {
    expect(composed({ DeliverySystemId: 'own' }).reference).toBe('own');
    expect(composed({ DeliverySystemId: 'x'.repeat(81) }).reference).toBe(SEND_REQUEST.MessageId);
  });

  test("the gateway's sender counts, then the send request's when it looks like one", () => {
    expect(composed({ FromField: '90210' }, { sender: '+420800' }).from).toBe('+420800');
    expect(composed({ FromField: '777 999 888' }).from).toBe('+420777999888');
    expect(composed({ FromField: 'Ann from the support desk' }).from).toBeUndefined();
  });

  test('a send request that cannot be sent is refused in one sentence', () => {
    expect(problem({ RemoteAddress: null })).toBe('the send request names no recipient: RemoteAddress is empty');
    expect(problem({ RemoteAddress: 'ann@example.com' })).toMatch('"ann@example.com" is not a phone number');
    expect(problem({ BodyText: '\u0000 ', BodyHtml: '<p> </p>' })).toBe('the send request has no text');
  });

  test('a text of more than 20 parts is refused with its count', () => {
    expect(composed({ BodyText: 'a'.repeat(20 * 153) }).segments).toBe(20);
    expect(problem({ BodyText: 'a'.repeat(20 * 153 + 1) })).toMatch('too long: 3061 characters');
    expect(composed({ BodyText: 'č'.repeat(20 * 67) }).segments).toBe(20);
    expect(problem({ BodyText: 'č'.repeat(20 * 67 + 1) })).toMatch(
      'too long: 21 parts, of 67 characters because of "č", at most 20',
    );
    expect(problem({ BodyText: '€'.repeat(1_530) })).toMatch('too long: 21 parts, at most 20');
    expect(problem({ BodyText: '👨‍👩‍👧‍👦'.repeat(500_000) }, { transliterate: true })).toMatch('too long');
  });

  test('transliterates when that makes the text GSM-7, and not otherwise', () => {
    const text = '„Příliš žluťoučký“ – déjà vu…\u00a0€';
    expect(composed({ BodyText: text }, { transliterate: true })).toMatchObject({
      text: '"Prilis zlutoucky" - déjà vu... €',
      encoding: 'GSM-7',
    });
    expect(composed({ BodyText: text }).text).toBe(text);
    for (const whole of ['Привет – “мир”', 'ok… 😀', '10² č', 'Ελλάδα'])
      expect(composed({ BodyText: whole }, { transliterate: true }).text).toBe(whole);
  });
});

describe('transliteration', () => {
  test('never makes a text dearer', () => expect(transliterate('…'.repeat(60))).toBe('…'.repeat(60)));

  test('leaves GSM-7 alone, marks without a letter out, and is done after once', () => {
    expect(transliterate('{é} 5 €\n')).toBe('{é} 5 €\n');
    expect(transliterate('x\u030c e\u0301 Łódź ﻿“œuvre” ğış')).toBe('x é Lodz "oeuvre" gis');
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (text) => {
        const once = transliterate(text);
        expect(once === text || isGsm(once)).toBe(true);
        expect(transliterate(once)).toBe(once);
      }),
    );
  });
});
