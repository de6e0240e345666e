// The delivery log, and the trace of one message under any of its ids.
import { expect, test } from 'vitest';
import { acknowledged, inboundMessage, only, outboundMessage, place } from '../../../test/fixtures/journal.js';
import type { LogFilter } from '../types/log.js';

async function filled() {
  const where = place();
  const journal = await where.open();
  const start = where.clock.now();
  for (let index = 0; index < 5; index++) {
    await journal.open(inboundMessage(`a${index}`, { gatewayId: index % 2 === 0 ? 'in' : 'in-2' }));
    await where.clock.advance(1_000);
  }
  await journal.accept(outboundMessage('B'));
  await journal.note('in', 'I', 'a0', 'rebased: 3 of 5 matched');
  return { ...where, journal, start };
}

test('entries come oldest first, the newest ones when there are more than asked for', async () => {
  const { journal } = await filled();
  const subjects = async (filter: LogFilter) => (await journal.entries(filter)).map(({ subject }) => subject);
  expect(await subjects({ limit: 3 })).toEqual(['a4', 'b', 'a0']);
  expect(await subjects({ limit: 0 })).toEqual([]);
  expect(await subjects({ limit: 100 })).toEqual(['a0', 'a1', 'a2', 'a3', 'a4', 'b', 'a0']);
});

test('entries are found by gateway, event and time, each alone and together', async () => {
  const { journal, start } = await filled();
  const subjects = async (filter: Omit<LogFilter, 'limit'>) =>
    (await journal.entries({ ...filter, limit: 100 })).map(({ subject }) => subject).join(' ');
  expect(await subjects({ gatewayId: 'in-2' })).toBe('a1 a3');
  expect(await subjects({ event: 'requested' })).toBe('b');
  expect(await subjects({ since: start + 3_000 })).toBe('a3 a4 b a0');
  expect(await subjects({ until: start + 1_000 })).toBe('a0 a1');
  expect(await subjects({ gatewayId: 'in', event: 'received', since: start + 1_000, until: start + 3_000 })).toBe('a2');
});

test('following gives the next ones after an id, in order', async () => {
  const { journal } = await filled();
  const [first, second] = await journal.entries({ after: 0, limit: 2 });
  expect([first?.subject, second?.subject]).toEqual(['a0', 'a1']);
  expect((await journal.entries({ after: second?.id ?? 0, limit: 2 })).map(({ subject }) => subject)).toEqual([
    'a2',
    'a3',
  ]);
  expect(await journal.entries({ after: 1_000, limit: 2 })).toEqual([]);
});

test('an entry carries gateway, ids, address and words; long words are cut, never through a character', async () => {
  const { open, clock } = place();
  const journal = await open();
  const { id } = await acknowledged(journal, 'k');
  await journal.note('in', 'I', 'k', `\n${'😀'.repeat(900)}`);
  const [, entry, note] = await journal.entries({ limit: 9 });
  expect(entry).toEqual({
    id: 2,
    at: clock.now(),
    gatewayId: 'in',
    direction: 'I',
    event: 'acknowledged',
    subject: 'k',
    deliverySystemId: 'k@customers.example',
    messageId: 'msg-k',
    remoteAddress: 'Carla@Customers.example',
    detail: null,
  });
  expect(id).toBe(1);
  expect(note?.detail).toBe(`${'😀'.repeat(499)}…`);
});

test('the trace of an inbound message is found under every id it has', async () => {
  const journal = await place().open();
  const rfcMessageId = `${'long-'.repeat(30)}@customers.example`;
  const { requestId } = await acknowledged(journal, 'INBOX/17/4', { rfcMessageId, deliverySystemId: 'short~hash' });
  await acknowledged(journal, 'INBOX/17/5');
  const ids = [
    requestId,
    requestId.toUpperCase(),
    'MSG-INBOX/17/4',
    'short~hash',
    '<short~hash>',
    rfcMessageId,
    `<${rfcMessageId}>`,
    ' INBOX/17/4 ',
  ];
  for (const id of ids) {
    const trace = only(await journal.traces(id));
    expect(trace, id).toMatchObject({ is: 'inbound', gatewayId: 'in', state: 'acknowledged' });
    expect(trace.ids).toContainEqual({ label: 'RequestId', value: requestId });
    expect(trace.entries.map(({ event }) => event)).toEqual(['received', 'acknowledged']);
  }
});

test('the trace of an outbound message is found by its MessageId and by what it is called outside', async () => {
  const journal = await place().open();
  await journal.accept(outboundMessage('0A1B2C3D-0000-4000-8000-000000000001'));
  await journal.beginAttempt('0a1b2c3d-0000-4000-8000-000000000001', 'sent-1@shop.example');
  for (const id of ['0A1b2c3d-0000-4000-8000-000000000001', 'sent-1@shop.example', '<sent-1@shop.example>']) {
    const trace = only(await journal.traces(id));
    expect(trace).toMatchObject({ is: 'outbound', state: 'sending' });
    expect(trace.entries.map(({ event }) => event)).toEqual(['requested', 'attempt_started']);
  }
});

test('the beginning of an id is enough from 8 characters on; a whole id never brings those that begin like it', async () => {
  const journal = await place().open();
  await journal.accept(outboundMessage('0a1b2c3d-0000-4000-8000-000000000001'));
  await journal.accept(outboundMessage('0a1b2c3d-1111-4000-8000-000000000001'));
  expect(only(await journal.traces('0A1B2C3D-1')).ids[0]?.value).toBe('0a1b2c3d-1111-4000-8000-000000000001');
  expect((await journal.traces('0a1b2c3d')).length).toBe(2);
  expect(await journal.traces('0a1b2c3')).toEqual([]);
  await journal.open(inboundMessage('INBOX/17/4'));
  await journal.open(inboundMessage('INBOX/17/41'));
  expect(only(await journal.traces('INBOX/17/4')).ids[0]?.value).toBe('INBOX/17/4');
});

test('an unknown id finds nothing, whatever characters it has', async () => {
  const { journal } = await filled();
  for (const id of ['', '  ', '<>', 'nobody-at-all', '%', "' or 1=1 --", '%%%%%%%%%', '\u0000']) {
    expect(await journal.traces(id)).toEqual([]);
  }
});

test('a trace names the messages that belong to it', async () => {
  const { open, clock } = place();
  const journal = await open();
  const question = await journal.open(inboundMessage('question', { subject: 'Delivery' }));
  await journal.open(inboundMessage('other', { subject: 'Another matter' }));
  await journal.accept(outboundMessage('answer-1', { subject: 'Re: Delivery', at: clock.now() }));
  const notice = await journal.open(
    inboundMessage('gatepost:report:answer-1', { rfcMessageId: null, subject: 'Fax delivered' }),
  );
  expect(only(await journal.traces('question')).related).toEqual([{ kind: 'answer', id: 'answer-1' }]);
  expect(only(await journal.traces('answer-1')).related).toEqual([
    { kind: 'answers', id: question.requestId },
    { kind: 'notice', id: notice.requestId },
  ]);
  expect(only(await journal.traces(notice.requestId)).related).toEqual([{ kind: 'notice of', id: 'answer-1' }]);
});
