// Whole mails as they come from the field, each with one fault of its sender.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { brokenPromises, names, ownText, read } from '../../../../test/fixtures/mail.js';
import type { ReadMessage } from '../../reader.js';

const mail = (name: string) =>
  read(readFileSync(new URL(`../../../../test/fixtures/field-mails/${name}.eml`, import.meta.url)));

const firstLine = ({ message }: ReadMessage) => message.BodyText.split('\n')[0];
const GREETING = 'Dobrý den, číslo objednávky je 4711.';

const CASES: readonly (readonly [file: string, get: (message: ReadMessage) => unknown, right: unknown])[] = [
  [
    'report-global',
    ({ notes }) => notes,
    ['Delivery report: delivery to jörg@example.org failed (5.1.1): 550 no such user'],
  ],
  [
    'report-unregistered-action',
    ({ notes }) => notes,
    ['Delivery report: delivery to karl@customer.example failed (5.1.1): 550 no such user'],
  ],
  [
    'base64-then-list-footer',
    ({ message }) => message.BodyText,
    'Dobrý den, píšu kvůli objednávce číslo 4711, děkuji. Nová\n\n_______________________________________________\nUsers mailing list\nusers@lists.example.org',
  ],
  ['alternatives-with-names', (message) => [ownText(message), names(message)], [GREETING, []]],
  ['markdown-only', ({ message }) => message.BodyText, GREETING],
  [
    'uuencoded-picture',
    (message) => [ownText(message), message.attachments.map(({ name, type }) => `${name} ${type}`)],
    ['The logo:\n\n\nRegards', ['logo.png image/png']],
  ],
  ['comment-behind-type', firstLine, GREETING],
  ['comment-behind-charset', firstLine, 'Příliš žluťoučký kůň'],
  ['type-without-semicolon', firstLine, GREETING],
  ['disposition-is-encoded-word', firstLine, GREETING],
  ['file-name-encoded-over-sections', names, ['Příložená faktura číslo.pdf']],
  ['file-name-in-other-charset', names, ['Holzplatte gewölbt.jpg']],
  [
    'header-line-of-blanks',
    ({ message }) => [
      message.SubjectField,
      message.ToField,
      message.DeliverySystemId,
      message.InReplyToId,
      message.BodyText,
    ],
    [
      'Broken heating in flat twelve',
      'Service <desk@desk.example>, deputy@desk.example',
      'fold-1@customer.example',
      'ticket-77@desk.example',
      'The radiators stay cold.',
    ],
  ],
  [
    'boundary-other-than-declared',
    (message) => [ownText(message), names(message)],
    ['The meter shows 4711 – please confirm.', ['reading.csv']],
  ],
  ['last-header-line-unfolded', ({ message }) => message.BodyText, 'Please send the invoice again.'],
  [
    'references-encoded',
    ({ message, references }) => [message.InReplyToId, references?.split(' ')[0]],
    ['FR0P281MB0001AAAABBBBCCCCDDDDEEEE@FR0P281MB0001.deu.PROD.MAIL.example', '<q1@desk.example>'],
  ],
  ['subject-question-mark-in-word', ({ message }) => message.SubjectField, 'Kdy přijde zásilka? [dotaz]'],
  ['date-iso', ({ message }) => message.DraftTime, '2026-11-22T10:00:00.000Z'],
  ['reply-to-encoded-whole', ({ message }) => message.RemoteAddress, 'jana.nova@example.net'],
  ['from-encoded-whole', ({ message }) => message.RemoteAddress, 'jana@example.net'],
  ['from-in-quotes', ({ message }) => message.RemoteAddress, 'jana@example.net'],
  ['from-quote-not-closed', ({ message }) => message.RemoteAddress, 'jana@example.net'],
  ['comments-inside-addresses', ({ message }) => message.RemoteAddress, 'jana@customer.example'],
  ['charset-mac-cyrillic', firstLine, 'Привет, заказ 4711'],
  ['charset-iso-2022-kr', ({ message }) => /[\uac00-\ud7a3]/.test(message.BodyText), true],
  ['white-on-dark-body', ({ message }) => /#1b1f3a/i.test(message.BodyHtml), true],
  ['html-pre-wrap', ({ message }) => message.BodyText.split('\n').slice(0, 2), ['Name: Jana', 'Phone: 602 123 456']],
  ['date-zone-unknown', ({ message }) => message.DraftTime, '2024-05-02T10:20:30.000Z'],
];

describe('a mail from the field', () => {
  test.each(CASES)('%s', async (file, get, right) => {
    const message = await mail(file);
    expect(get(message)).toEqual(right);
    expect(brokenPromises(message)).toEqual([]);
  });
});
