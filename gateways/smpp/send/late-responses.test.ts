// A lookup of a message whose response came after its outcome was unknown.
import { afterEach, describe, expect, it } from 'vitest';
import type { ComposedText } from '../../../src/driver/contract.js';
import { attemptOf, outboundText } from '../../../test/conformance/context.js';
import { createDriverState } from '../../../test/fixtures/driver-state.js';
import { waitFor } from '../../../test/fixtures/wait-for.js';
import { openGateway, type TestGateway } from '../../../test/servers/smpp-gateway.js';
import { type Smsc, startSmsc } from '../../../test/servers/smsc.js';
import { TTL_MS, TtlStore } from '../ttl-store.js';

const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

const LONG = outboundText('Exactly this long text, in several parts. '.repeat(10).trim());
const HELLO = outboundText('hello');

async function set() {
  const smsc = await startSmsc({ systemId: 'desk', password: 'secret12' });
  undo.push(smsc.close);
  const settings = { Host: '127.0.0.1', Port: smsc.port, SystemId: 'desk', Password: 'secret12' };
  const open = async (driverState = createDriverState()) => {
    const gateway = await openGateway(settings, { direction: 'O', driverState });
    undo.push(gateway.close);
    return gateway;
  };
  return { smsc, open };
}

const attempt = (number: number) => Object.assign(attemptOf(), { number });

/** Sends a message and lets its time run out; with `isAnswered` all its responses come after that. */
async function sendUnanswered(smsc: Smsc, gateway: TestGateway, message: ComposedText, number = 1, isAnswered = true) {
  let answer = () => {};
  const after = new Promise<void>((resolve) => {
    answer = resolve;
  });
  smsc.script = () => ({ after });
  const before = smsc.submits.length;
  const trying = attempt(number);
  const sending = gateway.send(message, trying);
  await waitFor('all parts', () => smsc.submits.length === before + message.segments);
  trying.abort();
  expect((await sending).kind).toBe('unknown');
  if (!isAnswered) return;
  const stored = async () => (await gateway.driverState.listRecords('answered', '', 99)).length;
  const earlier = await stored();
  answer();
  await waitFor('the responses to be stored', async () => (await stored()) === earlier + message.segments);
}

describe('a lookup', () => {
  it.each([
    ['EXPIRED', 3, 0, 'EXPIRED'],
    ['DELETED', 4, 0, 'DELETED'],
    ['UNDELIV', 5, 34, 'UNDELIV, error code 34'],
    ['REJECTD', 8, 11, 'REJECTD, error code 11'],
  ])(
    'that finds %s says rejected, with the state and the error code',
    async (_name, message_state, error_code, words) => {
      const { smsc, open } = await set();
      const gateway = await open();
      await sendUnanswered(smsc, gateway, HELLO);
      smsc.query = () => ({ message_state, error_code });
      const detail = `the SMSC accepted the message and did not deliver it; query_sm: ${words}`;
      expect(await gateway.lookup(HELLO)).toEqual({ kind: 'rejected', detail });
    },
  );

  it.each([
    ['DELIVRD', { message_state: 2 }, 'delivered', 'DELIVRD'],
    ['ENROUTE', { message_state: 1 }, 'sent', 'ENROUTE'],
    ['no answer', { command_status: 0x67 }, 'accepted', 'ESME_RQUERYFAIL (0x00000067): the query failed'],
  ])('that finds %s says sent, and how far the message has come', async (_name, answer, state, words) => {
    const { smsc, open } = await set();
    const gateway = await open();
    await sendUnanswered(smsc, gateway, HELLO);
    smsc.query = () => answer;
    const detail = `settled after the attempt; query_sm: ${words}`;
    expect(await gateway.lookup(HELLO)).toMatchObject({ kind: 'sent', ids: ['2001'], state, detail });
  });

  it('asks for every part: one undelivered part is enough for rejected, and delivered needs all parts', async () => {
    const { smsc, open } = await set();
    const gateway = await open();
    await sendUnanswered(smsc, gateway, LONG);
    smsc.query = (id) => (id === '2002' ? { message_state: 1 } : undefined);
    expect(await gateway.lookup(LONG)).toMatchObject({ kind: 'sent', state: 'sent' });
    smsc.query = (id) => (id === '2002' ? { message_state: 5, error_code: 7 } : undefined);
    expect(await gateway.lookup(LONG)).toMatchObject({
      kind: 'rejected',
      detail: expect.stringContaining('part 2 of 3 UNDELIV, error code 7'),
    });
  });

  it('finds the same again, also after a restart, because the first result may not have reached the journal', async () => {
    const { smsc, open } = await set();
    const gateway = await open();
    await sendUnanswered(smsc, gateway, LONG);
    const found = await gateway.lookup(LONG);
    expect(found).toMatchObject({ kind: 'sent', ids: ['2001', '2002', '2003'] });
    expect(await gateway.lookup(LONG)).toEqual(found);
    await gateway.close();
    expect(await (await open(gateway.driverState)).lookup(LONG)).toEqual(found);
  });

  it('does not take the end of an earlier attempt for that of a later one, unless the message is on its way', async () => {
    const { smsc, open } = await set();
    const gateway = await open();
    await sendUnanswered(smsc, gateway, HELLO);
    smsc.query = () => ({ message_state: 5 });
    expect(await gateway.lookup(HELLO, attempt(1))).toMatchObject({ kind: 'rejected' });
    await sendUnanswered(smsc, gateway, HELLO, 2, false);
    expect(await gateway.lookup(HELLO, attempt(2))).toMatchObject({ kind: 'unknown' });
    smsc.query = () => ({ command_status: 0x67 });
    expect(await gateway.lookup(HELLO, attempt(2))).toMatchObject({ kind: 'unknown' });
    smsc.query = () => undefined;
    expect(await gateway.lookup(HELLO, attempt(2))).toMatchObject({ kind: 'sent', state: 'delivered' });
  });

  it('asks nothing of an SMSC that gives no ids', async () => {
    const { smsc, open } = await set();
    const gateway = await open();
    const trying = attempt(1);
    const response = Buffer.from([0, 0, 0, 17, 0x80, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    smsc.script = (pdu) => {
      response.writeUInt32BE(pdu.sequence_number, 12);
      return 'silent';
    };
    let queries = 0;
    smsc.query = () => {
      queries += 1;
      return undefined;
    };
    const sending = gateway.send(HELLO, trying);
    await smsc.silent();
    trying.abort();
    expect((await sending).kind).toBe('unknown');
    smsc.raw(response);
    await waitFor(
      'the response to be stored',
      async () => (await gateway.driverState.listRecords('answered', '', 9)).length === 1,
    );
    expect(await gateway.lookup(HELLO)).toMatchObject({ kind: 'sent', deliverySystemId: HELLO.reference, ids: [] });
    expect(queries).toBe(0);
  });
});

describe('records with a time to live', () => {
  it('are found for as long as they are needed, and deleted after twice as long', async () => {
    const driverState = createDriverState();
    let now = TTL_MS * 1_000.9;
    const records = new TtlStore(driverState, 'some', () => now);
    await records.put([{ key: 'a.1', value: 'one' }]);
    now += TTL_MS;
    await records.put([{ key: 'a.2', value: 'two' }]);
    await records.prune();
    expect(await records.find('a.', 9)).toEqual([
      { key: 'a.2', value: 'two' },
      { key: 'a.1', value: 'one' },
    ]);
    now += TTL_MS;
    expect(await records.find('a.', 9)).toEqual([{ key: 'a.2', value: 'two' }]);
    await records.prune();
    expect(await driverState.listRecords('some', '', 9)).toHaveLength(1);
  });

  it('do not grow without limit', async () => {
    const driverState = createDriverState();
    let now = 0;
    const records = new TtlStore(driverState, 'some', () => now);
    const [days, perDay] = [60, 100];
    for (let day = 0; day < days; day++) {
      now = day * 24 * 3_600_000;
      await records.put(Array.from({ length: perDay }, (_, at) => ({ key: `${day}.${at}`, value: null })));
    }
    const left = await driverState.listRecords('some', '', days * perDay);
    expect(left.length).toBeLessThanOrEqual(((2 * TTL_MS) / (24 * 3_600_000)) * perDay + 500);
  });
});
