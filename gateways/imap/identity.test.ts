import { expect, test } from 'vitest';
import { fingerprintOf, keyOf, messageIdOf, readKey, uidSet } from './identity.js';
import { plan } from './mailbox.js';

const mailboxRef = { user: 'desk@example.test', folder: 'INBOX', uidValidity: '123' };

test('a key names mailbox, UIDVALIDITY and UID, and can be read back', () => {
  const key = keyOf(mailboxRef, 45);
  expect(key).toBe('desk@example.test/INBOX;UIDVALIDITY=123;UID=45');
  expect(readKey(key)).toEqual({ mailbox: 'desk@example.test/INBOX', uidValidity: '123', uid: 45 });
});

test('a key stays below 500 characters and different for different folders, however long they are', () => {
  const long = (end: string) => keyOf({ ...mailboxRef, folder: 'x'.repeat(600) + end }, 4_294_967_295);
  expect(long('a').length).toBeLessThan(500);
  expect(long('a')).not.toBe(long('b'));
});

test.each([
  ['Message-ID: <a@b>\r\n\r\nText', '<a@b>'],
  ['From: x\r\nMESSAGE-ID:<a@b>\r\n\r\n', '<a@b>'],
  ['Message-ID:\r\n <a@b>\r\nMessage-ID: <second@b>\r\n\r\n', '<a@b>'],
  ['Message-ID: <a@b>\nSubject: y\n\nMessage-ID: <body@b>', '<a@b>'],
  ['Subject: none\r\n\r\nMessage-ID: <body@b>\r\n', ''],
  ['', ''],
])('the Message-ID of %j is the first of the header', (mail, id) => {
  expect(messageIdOf(Buffer.from(mail))).toBe(id);
});

test('a fingerprint depends on Message-ID, size and date, and on the content only without a Message-ID', () => {
  const mail = { messageId: '<a@b>', size: 100, at: 1000, start: Buffer.from('one') };
  const print = fingerprintOf(mail);
  expect(fingerprintOf({ ...mail, start: Buffer.from('two') })).toBe(print);
  for (const other of [{ messageId: '<b@b>' }, { size: 101 }, { at: 1001 }])
    expect(fingerprintOf({ ...mail, ...other })).not.toBe(print);
  const nameless = { ...mail, messageId: '' };
  expect(fingerprintOf(nameless)).not.toBe(fingerprintOf({ ...nameless, start: Buffer.from('two') }));
});

test('UIDs are written as ranges', () => {
  expect(uidSet([1, 2, 3, 7, 9, 10])).toBe('1:3,7,9:10');
  expect(uidSet([4_294_967_295])).toBe('4294967295');
});

test('chunks hold 50 mails and 2 MB at most; a mail over the limit is alone and cut', () => {
  const sizes = [...Array<number>(60).fill(1000), 1_500_000, 1_000_000, 30_000_000, 10];
  const mails = sizes.map((size, at) => ({ uid: at + 1, size, at: 0 }));
  const chunks = plan(mails, 25_000_000).map(({ mails, cut }) => [mails.length, cut]);
  expect(chunks).toEqual([
    [50, false],
    [11, false],
    [1, false],
    [1, true],
    [1, false],
  ]);
});
