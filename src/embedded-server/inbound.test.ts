import { DatabaseSync } from '@photostructure/sqlite';
import { expect, test } from 'vitest';
import { IN, later, mail, OTHER_IN, OUT, startFixture } from '../../test/fixtures/embedded-server.js';

const requestId = (n: number) => `aaaaaaaa-0000-4000-8000-${String(n).padStart(12, '0')}`;

test('a message is in the store, whole, when it is answered true, once', async () => {
  const { client, store, clock } = await startFixture();
  const connector = await client();
  const sent = mail({
    BodyHtml: '<p>Wo?</p>',
    SpamLevel: 0,
    Culture: 'cs-CZ',
    ReceivedSentTime: '2026-11-22T10:59:00.5+01:00',
  });
  connector.send('ES_MESSAGE_RECEIVING', sent);
  const { content, peer } = await connector.until('SE_MESSAGE_RECEIVED');
  const [stored] = store.reading.list('I', 10);
  expect(content).toEqual({
    Id: stored?.MessageId,
    RefId: IN,
    Reference: requestId(1),
    Data: 'true',
    TimeStamp: new Date(clock.now()).toISOString(),
  });
  expect(peer).toBe('@gatepost');
  expect(store.reading.message(stored?.MessageId ?? '')).toMatchObject({
    ...sent,
    ReceivedSentTime: '2026-11-22T09:59:00.500Z',
    state: 'New',
    channel: 'Email',
  });
});

test('native MessagePack is accepted like JSON', async () => {
  const { client, store } = await startFixture();
  const connector = await client();
  connector.send('ES_MESSAGE_RECEIVING', mail({ ReceivedSentTime: new Date('2026-11-22T09:59:00.000Z') }), true);
  expect((await connector.until('SE_MESSAGE_RECEIVED')).content).toMatchObject({ Data: 'true' });
  expect(store.reading.message(store.reading.list('I', 1)[0]?.MessageId ?? '')).toMatchObject({
    ReceivedSentTime: '2026-11-22T09:59:00.000Z',
  });
});

test('a repeated request is answered true with the first MessageId and stored once', async () => {
  const { client, store } = await startFixture();
  const connector = await client();
  connector.send('ES_MESSAGE_RECEIVING', mail());
  connector.send('ES_MESSAGE_RECEIVING', mail());
  await connector.until('SE_MESSAGE_RECEIVED', 2);
  connector.send('ES_MESSAGE_RECEIVING', mail({ RequestId: requestId(1).toUpperCase() }));
  // The same mail under another RequestId, as a connector that lost its journal would send it.
  connector.send('ES_MESSAGE_RECEIVING', mail({ RequestId: requestId(2) }));
  await connector.until('SE_MESSAGE_RECEIVED', 4);
  const answers = connector.frames.filter(({ code }) => code === 'SE_MESSAGE_RECEIVED').map(({ content }) => content);
  const [first] = store.reading.list('I', 10);
  expect(store.reading.count('I')).toBe(1);
  for (const answer of answers) expect(answer).toMatchObject({ Id: first?.MessageId, Data: 'true' });
});

test('another mail with a copied Message-ID is another message, because senders do copy them', async () => {
  const { client, store } = await startFixture();
  const connector = await client();
  connector.send('ES_MESSAGE_RECEIVING', mail());
  connector.send('ES_MESSAGE_RECEIVING', mail({ RequestId: requestId(2), SubjectField: 'something else entirely' }));
  await connector.until('SE_MESSAGE_RECEIVED', 2);
  expect(store.reading.count('I')).toBe(2);
});

test.each([
  ['another text', { BodyText: 'Pay to this account instead.' }],
  ['other HTML', { BodyHtml: '<p>other</p>' }],
  ['another recipient', { ToField: 'billing@example.com' }],
  ['another display name', { FromField: 'Somebody Else <jana@customer.example>' }],
  ['another message that it answers', { InReplyToId: 'other@example.com' }],
  ['no text at all', { BodyText: null }],
])(
  'a forged Message-ID, sender, subject and time with %s does not make the true mail vanish',
  async (_what, changes) => {
    const { client, store } = await startFixture();
    const connector = await client();
    connector.send('ES_MESSAGE_RECEIVING', mail(changes));
    connector.send('ES_MESSAGE_RECEIVING', mail({ RequestId: requestId(2) }));
    await connector.until('SE_MESSAGE_RECEIVED', 2);
    expect(store.reading.count('I')).toBe(2);
  },
);

test('a message that an older version stored is recognized by its content', async () => {
  const { client, store, storePath } = await startFixture();
  const connector = await client();
  connector.send('ES_MESSAGE_RECEIVING', mail());
  await connector.until('SE_MESSAGE_RECEIVED');
  const database = new DatabaseSync(storePath);
  database.exec('UPDATE message SET content_hash = NULL');
  database.close();
  connector.send('ES_MESSAGE_RECEIVING', mail({ RequestId: requestId(2) }));
  connector.send('ES_MESSAGE_RECEIVING', mail({ RequestId: requestId(3), BodyText: 'another text' }));
  await connector.until('SE_MESSAGE_RECEIVED', 3);
  expect(store.reading.count('I')).toBe(2);
});

test('a message is known across a reconnect, not only within a connection', async () => {
  const { client, store } = await startFixture();
  const before = await client();
  before.send('ES_MESSAGE_RECEIVING', mail());
  const { content } = await before.until('SE_MESSAGE_RECEIVED');
  await before.close();
  const after = await client();
  after.send('ES_MESSAGE_RECEIVING', mail());
  expect((await after.until('SE_MESSAGE_RECEIVED')).content).toEqual(content);
  expect(store.reading.count('I')).toBe(1);
});

test('a RequestId that belongs to another message is rejected, because accepting it would lose one of the two', async () => {
  const { client, store } = await startFixture();
  const connector = await client();
  connector.send('ES_MESSAGE_RECEIVING', mail());
  connector.send(
    'ES_MESSAGE_RECEIVING',
    mail({ RequestId: requestId(1).toUpperCase(), DeliverySystemId: 'other@example.com' }),
  );
  expect((await connector.until('SE_MESSAGE_RECEIVED', 2)).content).toMatchObject({ Id: null, Data: 'false' });
  expect(store.events.general(0, 10)[0]?.text).toMatch(/was used for message/);
});

test.each([
  ['DeliverySystemId missing', { DeliverySystemId: undefined }, /DeliverySystemId: is mandatory/],
  ['DeliverySystemId blank', { DeliverySystemId: '  ' }, /DeliverySystemId: is mandatory/],
  ['RemoteAddress missing', { RemoteAddress: null }, /RemoteAddress: is mandatory/],
  ['ReceivedSentTime missing', { ReceivedSentTime: null }, /ReceivedSentTime: is mandatory/],
  ['ReceivedSentTime no time', { ReceivedSentTime: 'yesterday' }, /ReceivedSentTime/],
  ['DeliverySystemId long', { DeliverySystemId: 'x'.repeat(81) }, /DeliverySystemId: has 81 characters, at most 80/],
  ['InReplyToId long', { InReplyToId: 'x'.repeat(81) }, /InReplyToId: has 81/],
  ['FromField long', { FromField: 'x'.repeat(161) }, /FromField: has 161/],
  ['RemoteAddress long', { RemoteAddress: 'x'.repeat(251) }, /RemoteAddress: has 251/],
  ['ToField long', { ToField: 'x'.repeat(321) }, /ToField: has 321/],
  ['ToCcField long', { ToCcField: 'x'.repeat(321) }, /ToCcField: has 321/],
  ['ToBccField long', { ToBccField: 'x'.repeat(321) }, /ToBccField: has 321/],
  ['SubjectField long in UTF-16 units', { SubjectField: `${'🙂'.repeat(160)}x` }, /SubjectField: has 321/],
  ['unknown gateway', { GatewayId: '99999999-9999-4999-8999-999999999999' }, /is no inbound gateway/],
  ['outbound gateway', { GatewayId: OUT }, /is no inbound gateway/],
  ["another connector's gateway", { GatewayId: OTHER_IN }, /is no inbound gateway/],
  ['GatewayId missing', { GatewayId: null }, /GatewayId/],
  ['wrong direction', { Direction: 'O' }, /Direction: is "O", not "I"/],
  ['Rating beyond 16 bits', { Rating: 40_000 }, /Rating: 40000 is out of range/],
  ['Mark no number', { Mark: 'high' }, /Mark/],
])('%s: answered false, nothing stored, and an event says why', async (_name, changes, why) => {
  const { client, store } = await startFixture();
  const connector = await client();
  connector.send('ES_MESSAGE_RECEIVING', mail(changes));
  expect((await connector.until('SE_MESSAGE_RECEIVED')).content).toMatchObject({
    Id: null,
    Reference: requestId(1),
    Data: 'false',
  });
  expect(store.reading.count('I')).toBe(0);
  expect(store.events.general(0, 10).map(({ text }) => text)).toEqual([expect.stringMatching(why)]);
});

test('the longest allowed values are accepted, in UTF-16 units', async () => {
  const { client, store } = await startFixture();
  const connector = await client();
  const longest = {
    DeliverySystemId: 'd'.repeat(80),
    InReplyToId: 'r'.repeat(80),
    FromField: 'f'.repeat(160),
    RemoteAddress: 'a'.repeat(250),
    ToField: 't'.repeat(320),
    ToCcField: 'c'.repeat(320),
    ToBccField: 'b'.repeat(320),
    SubjectField: '🙂'.repeat(160),
  };
  connector.send('ES_MESSAGE_RECEIVING', mail(longest));
  expect((await connector.until('SE_MESSAGE_RECEIVED')).content).toMatchObject({ Data: 'true' });
  expect(store.reading.message(store.reading.list('I', 1)[0]?.MessageId ?? '')).toMatchObject({
    SubjectField: longest.SubjectField,
    InReplyToId: longest.InReplyToId,
  });
});

test('content that is no message at all is answered false, once, and the session stays', async () => {
  const { client } = await startFixture();
  const connector = await client();
  for (const content of [null, [1, 2], 'text', { RequestId: 7 }]) connector.send('ES_MESSAGE_RECEIVING', content);
  connector.send('ES_MESSAGE_RECEIVING', mail());
  const last = await connector.until('SE_MESSAGE_RECEIVED', 5);
  expect(last.content).toMatchObject({ Data: 'true' });
  expect(connector.count('SE_MESSAGE_RECEIVED')).toBe(5);
});

test('a NUL inside a text does not cut off what is behind it', async () => {
  const { client, store } = await startFixture();
  const connector = await client();
  connector.send('ES_MESSAGE_RECEIVING', mail({ BodyText: 'before\0after' }));
  await connector.until('SE_MESSAGE_RECEIVED');
  expect(store.reading.message(store.reading.list('I', 1)[0]?.MessageId ?? '')?.BodyText).toBe('before\uFFFDafter');
});

test('many messages at once get one answer each, and a rejected one does not affect the others', async () => {
  const { client, store } = await startFixture();
  const connector = await client();
  for (let n = 1; n <= 200; n++) {
    const changes = { RequestId: requestId(n), DeliverySystemId: n % 10 === 0 ? null : `${n}@example.com` };
    connector.send('ES_MESSAGE_RECEIVING', mail(changes));
  }
  await connector.until('SE_MESSAGE_RECEIVED', 200);
  const answers = connector.frames.flatMap(({ content }) => {
    return content && typeof content === 'object' && 'Reference' in content ? [content] : [];
  });
  expect(new Set(answers.map(({ Reference }) => Reference)).size).toBe(200);
  expect(answers.filter((answer) => 'Data' in answer && answer.Data === 'true')).toHaveLength(180);
  expect(store.reading.count('I')).toBe(180);
});

test('a message that cannot be stored is answered false, never true, and is accepted once it can be stored', async () => {
  const { client, store, storePath, lines } = await startFixture();
  const connector = await client();
  // Stands for a full disk: no message can be written.
  const saboteur = new DatabaseSync(storePath);
  later(() => saboteur.close());
  saboteur.exec(`CREATE TRIGGER full BEFORE INSERT ON message BEGIN SELECT raise(FAIL, 'disk full'); END`);
  connector.send('ES_MESSAGE_RECEIVING', mail());
  expect((await connector.until('SE_MESSAGE_RECEIVED')).content).toMatchObject({ Id: null, Data: 'false' });
  expect(lines.filter(({ level }) => level === 'error')).toHaveLength(1);
  saboteur.exec('DROP TRIGGER full');
  connector.send('ES_MESSAGE_RECEIVING', mail());
  expect((await connector.until('SE_MESSAGE_RECEIVED', 2)).content).toMatchObject({ Data: 'true' });
  expect(store.reading.count('I')).toBe(1);
});

test('one message that cannot be stored does not take those beside it with it', async () => {
  const { client, store, storePath } = await startFixture();
  const connector = await client();
  const saboteur = new DatabaseSync(storePath);
  later(() => saboteur.close());
  saboteur.exec(
    `CREATE TRIGGER poison BEFORE INSERT ON message WHEN new.SubjectField = 'poison' BEGIN SELECT raise(ABORT, 'no'); END`,
  );
  for (let n = 1; n <= 20; n++) {
    const SubjectField = n === 7 ? 'poison' : 'Hello';
    connector.send('ES_MESSAGE_RECEIVING', mail({ RequestId: requestId(n), DeliverySystemId: `${n}`, SubjectField }));
  }
  await connector.until('SE_MESSAGE_RECEIVED', 20);
  expect(store.reading.count('I')).toBe(19);
});
