import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  type Fixture,
  GATEWAYS,
  IN,
  mail,
  OUT,
  startFixture,
  tempFolder,
} from '../../test/fixtures/embedded-server.js';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { type Desk, deskInbox, deskOutbox, deskRead, deskReply, deskSend } from './desk.js';

/** A desk command beside the embedded server: its own handle on the store, its output collected. */
function deskOf({ storePath, clock }: Pick<Fixture, 'storePath' | 'clock'>, changes: Partial<Desk> = {}) {
  const printed: string[] = [];
  const desk: Desk = { storePath, clock, out: (text) => void printed.push(text), ...changes };
  return { desk, printed, text: () => printed.join('\n') };
}

async function withMessage(changes: object = {}, gateways = GATEWAYS) {
  const all = await startFixture({}, gateways);
  const connector = await all.client();
  connector.send('ES_MESSAGE_RECEIVING', mail(changes));
  expect((await connector.until('SE_MESSAGE_RECEIVED')).content).toMatchObject({ Data: 'true' });
  await all.clock.advance(2_250);
  const id = all.store.reading.list('I', 1)[0]?.MessageId ?? '';
  return { ...all, connector, id };
}

/** Turns the clock while the command waits. */
async function finish({ clock }: Pick<Fixture, 'clock'>, command: Promise<number>): Promise<number> {
  let over = false;
  void command.finally(() => {
    over = true;
  });
  while (!over) await clock.advance(250);
  return command;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: exactly those that must not be printed.
const LF_TAB_TEXT = /^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]*$/;

test('the inbox shows the received messages, newest first, in aligned columns, and marks the new ones', async () => {
  const all = await withMessage();
  all.connector.send(
    'ES_MESSAGE_RECEIVING',
    mail({ RequestId: null, DeliverySystemId: 'second', FromField: '佐藤 <sato@example.jp>', SubjectField: null }),
  );
  await all.connector.until('SE_MESSAGE_RECEIVED', 2);
  const { desk, text } = deskOf(all, { columns: 110 });
  expect(await deskInbox(desk)).toBe(0);
  const [titles = '', second = '', first = ''] = text().split('\n');
  expect(titles).toMatch(/^ {3}id {8}received {10}from +subject +gateway +state$/);
  expect(first).toMatch(/^\* {2}[0-9a-f]{8} {2}\d{4}-\d\d-\d\d \d\d:\d\d {2}Eva <eva@example.com> +Hello +Info +new$/);
  expect(second).toMatch(/佐藤 <sato@example.jp> +\(no subject\) +Info +new$/);
  // The wide letters count double, so the next column begins two letters earlier.
  expect(second.indexOf('(no subject)')).toBe(first.indexOf('Hello') - 2);
  expect(text()).toMatch(/2 of 2 messages\. Read one with: gatepost desk read [0-9a-f]{8}/);
});

test('the inbox shows which messages were rejected, with the reason', async () => {
  const all = await withMessage();
  all.connector.send('ES_MESSAGE_RECEIVING', mail({ RequestId: null, DeliverySystemId: null }));
  await all.connector.until('SE_MESSAGE_RECEIVED', 2);
  const { desk, text } = deskOf(all);
  await deskInbox(desk);
  expect(text()).toMatch(/Refused in the last 24 h: 1\. .*DeliverySystemId: is mandatory/);
});

test('reading shows headers, text and events, and marks the message as read; the beginning of the id is enough', async () => {
  const all = await withMessage({ BodyText: 'Where is it?\r\n\tHello\r\nhttps://gatepost.example/a/1' });
  const { desk, text } = deskOf(all);
  expect(await deskRead(desk, ` ${all.id.slice(0, 4).toUpperCase()} `)).toBe(0);
  expect(text()).toMatch(/^From {8}Eva <eva@example.com>$/m);
  expect(text()).toMatch(/^Subject {5}Hello$/m);
  expect(text()).toContain('Where is it?\n\tHello\nhttps://gatepost.example/a/1');
  expect(text()).toMatch(/Events\n {2}.* received/);
  expect(all.store.reading.message(all.id)?.state).toBe('Read');
});

test('a message with HTML only is read as text', async () => {
  const all = await withMessage({ BodyText: null, BodyHtml: '<p>Where is <b>it</b>?</p><script>bad()</script>' });
  const { desk, text } = deskOf(all);
  await deskRead(desk, all.id);
  expect(text()).toContain('\nWhere is it?\n');
  expect(text()).not.toContain('bad()');
});

test('nothing a customer wrote steers the terminal', async () => {
  const evil = '\u001b[2J\u001b]0;owned\u0007\u009b31m\u202egnp.exe\u2066\u0000\b\rx';
  const all = await withMessage({
    FromField: evil,
    SubjectField: `${evil}\nSubject 2`,
    ToField: evil,
    BodyText: `line 1\n${evil}\tend`,
    RemoteAddress: `${evil}@x`,
    DeliverySystemId: evil,
  });
  all.connector.send('ES_MESSAGE_RECEIVING', mail({ RequestId: null, Direction: evil }));
  await all.connector.until('SE_MESSAGE_RECEIVED', 2);
  const { desk, text, printed } = deskOf(all);
  await deskInbox(desk);
  await deskRead(desk, all.id);
  await deskReply(desk, all.id, { text: 'no', noWait: true });
  await deskOutbox(desk);
  expect(text()).toMatch(LF_TAB_TEXT);
  expect(text()).toContain('gnp.exe');
  expect(printed[0]?.split('\n')).toHaveLength(2);
});

test('a reply goes to the sender through the only outbound gateway, and its outcome is printed as it comes', async () => {
  const all = await withMessage();
  const { desk, text } = deskOf(all);
  const command = deskReply(desk, all.id.slice(0, 8), { text: 'On its way.' });
  await all.clock.advance(500);
  const { content } = await all.connector.until('SE_MESSAGE_SENDING');
  expect(content).toMatchObject({
    GatewayId: OUT,
    RemoteAddress: 'eva@example.com',
    SubjectField: 'Re: Hello',
    BodyText: 'On its way.',
    FromField: 'Info',
  });
  const [sendRequest] = all.store.reading.list('O', 1);
  all.connector.send('ES_MESSAGE_SENT', {
    Id: sendRequest?.MessageId,
    RefId: OUT,
    Reference: 'out-1@relay',
    Data: null,
  });
  expect(await finish(all, command)).toBe(0);
  expect(text()).toMatch(
    /^Message [0-9a-f]{8} to eva@example.com is queued\.\n.* queued\n.* handed to host-1 \(try 1 of 4\)\n.* sent as out-1@relay$/,
  );
  expect(all.store.reading.message(all.id)?.state).toBe('Answered');
});

test('a reply to a reply keeps one Re:, and a long subject is cut without tearing a character apart', async () => {
  const all = await withMessage({ SubjectField: `RE: ${'🙂'.repeat(158)}` });
  const { desk } = deskOf(all);
  await deskReply(desk, all.id, { text: 'x', noWait: true });
  expect(all.store.reading.list('O', 1)[0]?.SubjectField).toBe(`RE: ${'🙂'.repeat(158)}`);
  const other = await withMessage({ SubjectField: `x${'🙂'.repeat(159)}` });
  await deskReply(deskOf(other).desk, other.id, { text: 'x', noWait: true });
  expect(other.store.reading.list('O', 1)[0]?.SubjectField).toBe(`Re: x${'🙂'.repeat(157)}…`);
});

test('a send request that fails ends the command with exit code 1 and the reason', async () => {
  const all = await withMessage();
  const { desk, text } = deskOf(all);
  const command = deskSend(desk, { gateway: 'other', to: 'x@example.com', subject: 'Hi', text: 'x' });
  await expect(finish(all, command)).resolves.toBe(2);
  expect(text()).toMatch(/waits: no connector for @other is logged in/);
  expect(text()).toMatch(/There is no outcome yet\. .*gatepost desk read [0-9a-f]{8}$/);
  const second = await startFixture({ retry: { limitMs: 90_000, repeats: 0, pauseMs: 0 } });
  const connector = await second.client();
  const failing = deskOf(second);
  await second.clock.advance(2_250);
  const sendRequest = deskSend(failing.desk, { gateway: 'Info', to: 'x@example.com', subject: 'Hi', text: 'x' });
  await second.clock.advance(500);
  const { content } = await connector.until('SE_MESSAGE_SENDING');
  expect(content).toMatchObject({ RemoteAddress: 'x@example.com', SubjectField: 'Hi' });
  const Id = second.store.reading.list('O', 1)[0]?.MessageId;
  connector.send('ES_MESSAGE_SENT', { Id, RefId: OUT, Data: '550 no such user' });
  expect(await finish(second, sendRequest)).toBe(1);
  expect(failing.text()).toMatch(/not sent: 550 no such user\n.* given up after 1 try$/);
});

test('without a running embedded server the send request is queued, the command prints that, and it goes out later', async () => {
  const all = await withMessage();
  await all.server.close();
  const { desk, text } = deskOf(all);
  expect(await deskReply(desk, all.id, { text: 'Later.' })).toBe(2);
  expect(text()).toMatch(/is queued\.\nNo embedded server is running.* The message stays queued/);
  expect(all.store.reading.list('O', 1)[0]?.state).toBe('Queued');
});

test('an embedded server that was killed counts as gone after 5 s', async () => {
  const all = await withMessage();
  const clock = manualClock(all.clock.now() + 6_000);
  const { desk, text } = deskOf({ storePath: all.storePath, clock });
  await deskInbox(desk);
  expect(text()).toMatch(/No embedded server is running/);
});

const TWO_MORE =
  GATEWAYS.replace(/- \{ id: 44.*\n/, '') +
  `- { id: 55555555-5555-4555-8555-555555555555, displayName: Sales, channel: Email, direction: O, device: X }\n`;

test('an answer takes the gateway of the same name when there are several, and asks when none fits', async () => {
  const all = await withMessage({}, TWO_MORE);
  await deskReply(deskOf(all).desk, all.id, { text: 'x', noWait: true });
  expect(all.store.reading.list('O', 1)[0]?.GatewayId).toBe(OUT);
  const renamed = await withMessage({}, TWO_MORE.replace(`${IN}, displayName: Info`, `${IN}, displayName: Post`));
  await expect(deskReply(deskOf(renamed).desk, renamed.id, { text: 'x' })).rejects.toMatchObject({
    code: 'desk/gateway',
    message: expect.stringMatching(/through which gateway this Email message/),
    advice: 'Name one with --gateway: Info (22222222), Sales (55555555).',
  });
  await deskReply(deskOf(renamed).desk, renamed.id, { text: 'x', gateway: '5555', noWait: true });
  expect(renamed.store.reading.list('O', 1)[0]?.GatewayId).toMatch(/^5555/);
});

test('bad send requests are rejected with one clear sentence each', async () => {
  const all = await withMessage();
  const { desk } = deskOf(all);
  const good = { gateway: 'Info', to: 'x@example.com', subject: 'Hi', text: 'x' };
  const cases: [object, RegExp][] = [
    [{ gateway: 'nothing' }, /no outbound gateway is called "nothing"/],
    [{ to: ' ' }, /the address \(--to\) is empty/],
    [{ to: 'x'.repeat(251) }, /the address has 251 characters, at most 250/],
    [{ text: ' ' }, /there is no text/],
    [{ subject: undefined }, /an e-mail needs a subject/],
    [{ subject: 'x'.repeat(321) }, /the subject has 321 characters, at most 320/],
  ];
  for (const [changes, message] of cases) {
    await expect(deskSend(desk, { ...good, ...changes })).rejects.toThrow(message);
  }
  expect(all.store.reading.count('O')).toBe(0);
});

test('unknown and ambiguous ids get different errors', async () => {
  const all = await withMessage();
  for (let n = 0; n < 40; n++) {
    all.connector.send('ES_MESSAGE_RECEIVING', mail({ RequestId: null, DeliverySystemId: `m${n}` }));
  }
  await all.connector.until('SE_MESSAGE_RECEIVED', 41);
  const { desk } = deskOf(all);
  await expect(deskRead(desk, 'zzzz')).rejects.toMatchObject({ code: 'desk/unknown-id' });
  await expect(deskRead(desk, '')).rejects.toMatchObject({ code: 'desk/unknown-id' });
  // 41 ids, 16 first digits: some digit begins three of them.
  const digits = all.store.reading.list('I', 50).map(({ MessageId }) => MessageId.slice(0, 1));
  const shared = digits.find((digit, at) => digits.indexOf(digit) !== at) ?? '';
  await expect(deskRead(desk, shared)).rejects.toMatchObject({ code: 'desk/ambiguous-id' });
});

test('a store that does not exist yet is an error with advice, and is not created', async () => {
  const storePath = join(await tempFolder(), 'none.db');
  const { desk } = deskOf({ storePath, clock: manualClock() });
  for (let again = 0; again < 2; again++) {
    await expect(deskInbox(desk)).rejects.toMatchObject({
      code: 'desk/no-store',
      advice: expect.stringMatching(/gatepost start/),
    });
  }
});

test('the outbox shows every send request with its state and its last event', async () => {
  const all = await withMessage();
  const { desk, text } = deskOf(all);
  await deskOutbox(desk);
  expect(text()).toBe('The outbox is empty.');
  await deskSend(desk, { gateway: 'other', to: '+420123', subject: 'Hi', text: 'x', noWait: true });
  await all.clock.advance(500);
  await deskOutbox(desk);
  expect(text()).toMatch(/\+420123 +Hi +queued +waits: no connector for @other/);
});
