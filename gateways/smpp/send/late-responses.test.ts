// What a lookup finds out about a message whose answer came after it had been given up as unknown.
import { afterEach, describe, expect, it } from 'vitest';
import type { ComposedText } from '../../../src/driver/contract.js';
import { attemptOf, outboundText } from '../../../test/conformance/context.js';
import { createDriverState } from '../../../test/fixtures/driver-state.js';
import { waitFor } from '../../../test/fixtures/wait-for.js';
import { openGateway, type TestGateway } from '../../../test/servers/smpp-gateway.js';
import { type Smsc, startSmsc } from '../../../test/servers/smsc.js';
import { KEPT_FOR_MS, lasting } from '../ttl-store.js';

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

/** Sends it and gives it up; with `isAnswered` all its answers come after that. */
async function giveUp(smsc: Smsc, gateway: TestGateway, message: ComposedText, number = 1, isAnswered = true) {
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
  const kept = async () => (await gateway.driverState.listRecords('answered', '', 99)).length;
  const earlier = await kept();
  answer();
  await waitFor('the answers to be kept', async () => (await kept()) === earlier + message.segments);
}

describe('a lookup', () => {
  it.each([
    ['EXPIRED', 3, 0, 'EXPIRED'],
    ['DELETED', 4, 0, 'DELETED'],
    ['UNDELIV', 5, 34, 'UNDELIV, error code 34'],
    ['REJECTD', 8, 11, 'REJECTD, error code 11'],
  ])(
    'that hears %s says rejected, with the state and the error code',
    async (_name, message_state, error_code, words) => {
      const { smsc, open } = await set();
      const gateway = await open();
      await giveUp(smsc, gateway, HELLO);
      smsc.query = () => ({ message_state, error_code });
      const detail = `the SMSC took it and did not deliver it; query_sm: ${words}`;
      expect(await gateway.lookup(HELLO)).toEqual({ kind: 'rejected', detail });
    },
  );

  it.each([
    ['DELIVRD', { message_state: 2 }, 'delivered', 'DELIVRD'],
    ['ENROUTE', { message_state: 1 }, 'sent', 'ENROUTE'],
    ['that it cannot tell', { command_status: 0x67 }, 'accepted', 'ESME_RQUERYFAIL (0x00000067): the query failed'],
  ])('that hears %s says sent, and how far it has come', async (_name, answer, state, words) => {
    const { smsc, open } = await set();
    const gateway = await open();
    await giveUp(smsc, gateway, HELLO);
    smsc.query = () => answer;
    const detail = `the answer came late; query_sm: ${words}`;
    expect(await gateway.lookup(HELLO)).toMatchObject({ kind: 'sent', ids: ['2001'], state, detail });
  });

  it('asks for every part: one that was not delivered is enough, and all have to be for delivered', async () => {
    const { smsc, open } = await set();
    const gateway = await open();
    await giveUp(smsc, gateway, LONG);
    smsc.query = (id) => (id === '2002' ? { message_state: 1 } : undefined);
    expect(await gateway.lookup(LONG)).toMatchObject({ kind: 'sent', state: 'sent' });
    smsc.query = (id) => (id === '2002' ? { message_state: 5, error_code: 7 } : undefined);
    expect(await gateway.lookup(LONG)).toMatchObject({
      kind: 'rejected',
      detail: expect.stringContaining('part 2 of 3 UNDELIV, error code 7'),
    });
  });

  it('finds the same again, in the next process, too: the first time may not have reached the journal', async () => {
    const { smsc, open } = await set();
    const gateway = await open();
    await giveUp(smsc, gateway, LONG);
    const found = await gateway.lookup(LONG);
    expect(found).toMatchObject({ kind: 'sent', ids: ['2001', '2002', '2003'] });
    expect(await gateway.lookup(LONG)).toEqual(found);
    await gateway.close();
    expect(await (await open(gateway.driverState)).lookup(LONG)).toEqual(found);
  });

  it('does not take the end of an earlier attempt for that of a later one, unless it got on', async () => {
    const { smsc, open } = await set();
    const gateway = await open();
    await giveUp(smsc, gateway, HELLO);
    smsc.query = () => ({ message_state: 5 });
    expect(await gateway.lookup(HELLO, attempt(1))).toMatchObject({ kind: 'rejected' });
    await giveUp(smsc, gateway, HELLO, 2, false);
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
    smsc.script = (pdu) => ({
      raw: () => {
        trying.abort();
        const bytes = Buffer.from([0, 0, 0, 17, 0x80, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.writeUInt32BE(pdu.sequence_number, 12);
        return bytes;
      },
    });
    let queries = 0;
    smsc.query = () => {
      queries += 1;
      return undefined;
    };
    expect((await gateway.send(HELLO, trying)).kind).toBe('unknown');
    await waitFor(
      'the answer to be kept',
      async () => (await gateway.driverState.listRecords('answered', '', 9)).length === 1,
    );
    expect(await gateway.lookup(HELLO)).toMatchObject({ kind: 'sent', deliverySystemId: HELLO.reference, ids: [] });
    expect(queries).toBe(0);
  });
});

describe('what is kept for some days', () => {
  it('is found for as long as it is needed, and forgotten after twice that', async () => {
    const driverState = createDriverState();
    let now = KEPT_FOR_MS * 1_000.9;
    const records = lasting(driverState, 'some', () => now);
    await records.keep([{ key: 'a.1', value: 'one' }]);
    now += KEPT_FOR_MS;
    await records.keep([{ key: 'a.2', value: 'two' }]);
    await records.prune();
    expect(await records.find('a.', 9)).toEqual([
      { key: 'a.2', value: 'two' },
      { key: 'a.1', value: 'one' },
    ]);
    now += KEPT_FOR_MS;
    expect(await records.find('a.', 9)).toEqual([{ key: 'a.2', value: 'two' }]);
    await records.prune();
    expect(await driverState.listRecords('some', '', 9)).toHaveLength(1);
  });

  it('does not grow for ever, though nobody tells it to forget', async () => {
    const driverState = createDriverState();
    let now = 0;
    const records = lasting(driverState, 'some', () => now);
    const [days, perDay] = [60, 100];
    for (let day = 0; day < days; day++) {
      now = day * 24 * 3_600_000;
      await records.keep(Array.from({ length: perDay }, (_, at) => ({ key: `${day}.${at}`, value: null })));
    }
    const left = await driverState.listRecords('some', '', days * perDay);
    expect(left.length).toBeLessThanOrEqual(((2 * KEPT_FOR_MS) / (24 * 3_600_000)) * perDay + 500);
  });
});
