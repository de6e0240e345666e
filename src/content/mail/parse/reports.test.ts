// Delivery reports and read receipts as mail servers write them.
import { describe, expect, test } from 'vitest';
import { multipart, octets, part, read } from '../../../../test/fixtures/mail.js';
import { deliverySummary, receiptSummary } from './reports.js';

const summary = (...lines: string[]) => deliverySummary(octets(...lines));
const utf8 = (text: string) => Buffer.from(text).toString('latin1');
const sentence = (rest: string) => [`Delivery report: delivery to ${rest}`];

describe('the outcome', () => {
  test.each([
    ['failed', '5.1.1', 'failed (5.1.1)'],
    ['failure', '5.1.1', 'failed (5.1.1)'],
    ['delayed', '5.4.7', 'failed (5.4.7)'],
    ['delivered', '5.0.0', 'failed (5.0.0)'],
    ['', '5.1.1', 'failed (5.1.1)'],
    ['Failed (permanently)', '4.4.7', 'failed (4.4.7)'],
    ['(final) failed', '4.4.7', 'failed (4.4.7)'],
    ['waiting', '4.4.1', 'is delayed (4.4.1)'],
    ['success', '2.1.5', 'succeeded (2.1.5)'],
    ['Delivered', '2.0.0', 'succeeded (2.0.0)'],
    ['relayed', '2.1.9', 'was passed on to another system (2.1.9)'],
    ['failed', '5.1.1 (bad destination mailbox address)', 'failed (5.1.1)'],
    ['constructor', 'unknown', 'is reported on'],
  ])('of Action %j and Status %j is: %s', (action, status, expected) => {
    const lines = summary(
      'Reporting-MTA: dns; mx.example',
      '',
      'Final-Recipient: rfc822; a@b.example',
      `Action: ${action}`,
      `Status: ${status}`,
    );
    expect(lines).toEqual(sentence(`a@b.example ${expected}`));
  });

  test('is taken from the answer of the server when the report has no Status', () => {
    expect(
      summary('Final-Recipient: rfc822; a@b.example', 'Diagnostic-Code: smtp; 550 5.7.1 refused by policy 1.2.3.4'),
    ).toEqual(sentence('a@b.example failed (5.7.1): 550 5.7.1 refused by policy 1.2.3.4'));
  });
});

describe('the recipient', () => {
  test.each([
    ['Final-Recipient: rfc822; <karl@c.example>', 'karl@c.example'],
    ['Final-Recipient: RFC822;karl@c.example', 'karl@c.example'],
    ['Final-Recipient: karl@c.example', 'karl@c.example'],
    ['Final-Recipient: rfc822 (internet); Karl <karl@c.example>', 'karl@c.example'],
    ['Final-Recipient: rfc822;\r\n\t<karl@c.example>', 'karl@c.example'],
    ['FINAL-RECIPIENT : rfc822;  karl@c.example  ', 'karl@c.example'],
    ['Original-Recipient: rfc822;karl@c.example\r\nFinal-Recipient: rfc822;', 'karl@c.example'],
    [`Final-Recipient: utf-8; ${utf8('jörg@c.example')}`, 'jörg@c.example'],
    ['Final-Recipient: utf-8; j\\x{F6}rg@c.example', 'jörg@c.example'],
  ])('of %j is %s', (field, expected) => {
    expect(summary('Reporting-MTA: dns; mx.example', '', field, 'Action: failed', 'Status: 5.1.1')).toEqual(
      sentence(`${expected} failed (5.1.1)`),
    );
  });

  test('is missing where the Action stands in the group about the message: that reports on no recipient', () => {
    expect(summary('Reporting-MTA: dns; mx.example', 'Action: failed', 'Status: 5.0.0')).toEqual([]);
    expect(
      summary(
        'Reporting-MTA: dns; mx.example',
        'Action: failed',
        '',
        'Final-Recipient: rfc822; a@b.example',
        'Status: 2.0.0',
      ),
    ).toEqual(sentence('a@b.example succeeded (2.0.0)'));
  });

  test('begins a group of its own, whether or not the line between is empty', () => {
    const one = ['Final-Recipient: rfc822; a@b.example', 'Action: failed', 'Status: 5.1.1'];
    const two = ['Final-Recipient: rfc822; c@d.example', 'Action: delayed', 'Status: 4.4.1'];
    const both = [...sentence('a@b.example failed (5.1.1)'), ...sentence('c@d.example is delayed (4.4.1)')];
    for (const between of [[''], [' \t'], []])
      expect(summary('Reporting-MTA: dns; m', '', ...one, ...between, ...two)).toEqual(both);
  });

  test('keeps its fields where every line is followed by an empty one', () => {
    expect(summary('Final-Recipient: rfc822; a@b.example', '', 'Action: failed', '', 'Status: 5.1.1', '')).toEqual(
      sentence('a@b.example failed'),
    );
  });
});

test('an encoded word in the answer of the server is decoded', () => {
  expect(
    summary(
      'Final-Recipient: rfc822; a@b.example',
      'Status: 5.1.1',
      'Diagnostic-Code: smtp; =?utf-8?Q?550_p=C5=99=C3=ADjemce_nezn=C3=A1m?=',
    ),
  ).toEqual(sentence('a@b.example failed (5.1.1): 550 příjemce neznám'));
});

test.each([
  ['Disposition: manual-action/MDN-sent-manually; displayed', 'displayed'],
  ['Disposition: automatic-action/MDN-sent-automatically (by rule); deleted/error (no room)', 'deleted/error'],
  ['Disposition: displayed', 'displayed'],
])('a read receipt with %j says %s', (field, expected) => {
  expect(receiptSummary(octets('Final-Recipient: rfc822; <a@b.example>', field))).toEqual([
    `Read receipt: a@b.example: ${expected}`,
  ]);
});

describe('a report inside an enclosed message', () => {
  const status = part(
    'message/delivery-status',
    'Reporting-MTA: dns; mx.example',
    '',
    'Final-Recipient: rfc822; a@b.example',
    'Action: failed',
    'Status: 5.1.1',
  );
  const report = (...more: string[][]) =>
    multipart('multipart/report; report-type=delivery-status', 'r', [
      part('text/plain', 'Sorry.'),
      status,
      ...more,
    ]).toString('latin1');
  const enclosing = (message: string) =>
    multipart('multipart/mixed', 'o', [part('text/plain', 'see below'), part('message/rfc822', message)]);
  const notes = async (raw: Buffer) => (await read(raw)).notes.filter((note) => note.startsWith('Delivery report'));

  test('is summarised', async () => {
    expect(await notes(enclosing(report()))).toEqual(sentence('a@b.example failed (5.1.1)'));
    expect(await notes(enclosing(enclosing(report()).toString('latin1')))).toEqual(
      sentence('a@b.example failed (5.1.1)'),
    );
  });

  test('is summarised where the enclosed message is encoded, and where it is all there is', async () => {
    const encoded = [
      'Content-Type: message/rfc822',
      'Content-Transfer-Encoding: base64',
      '',
      Buffer.from(report(), 'latin1').toString('base64'),
    ];
    expect(await notes(multipart('multipart/mixed', 'o', [encoded]))).toEqual(sentence('a@b.example failed (5.1.1)'));
    expect(await notes(octets('From: a@b.example', 'Content-Type: message/rfc822', '', report()))).toEqual(
      sentence('a@b.example failed (5.1.1)'),
    );
  });

  test('is none where it is what a report returns', async () => {
    const returned = part(
      'message/rfc822',
      report()
        .replaceAll('--r', '--q')
        .replace('"r"', '"q"')
        .replace('a@b.example\r\nAction', 'other@b.example\r\nAction'),
    );
    expect(await notes(Buffer.from(report(returned), 'latin1'))).toEqual(sentence('a@b.example failed (5.1.1)'));
  });
});
