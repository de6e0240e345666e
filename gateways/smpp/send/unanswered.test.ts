// Messages whose submit_sm_resp was lost: what the SMSC says of them later settles them, if it is unambiguous.
import { afterEach, describe, expect, it } from 'vitest';
import type { ComposedText, Outcome } from '../../../src/driver/contract.js';
import { attemptOf, outboundText } from '../../../test/conformance/context.js';
import { createDriverState } from '../../../test/fixtures/driver-state.js';
import { manualClock } from '../../../test/fixtures/manual-clock.js';
import { waitFor } from '../../../test/fixtures/wait-for.js';
import { openGateway, type TestGateway, type TestGatewayOptions } from '../../../test/servers/smpp-gateway.js';
import { deliverFields, startSmsc } from '../../../test/servers/smsc.js';

const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

const ANNA = '+420777000001';
const HELLO = outboundText('Your table is booked', ANNA);
const LONG = outboundText('Exactly this long text, in several parts. '.repeat(10).trim(), ANNA);

async function set() {
  const smsc = await startSmsc({ systemId: 'desk', password: 'secret12' });
  undo.push(smsc.close);
  const settings = { Host: '127.0.0.1', Port: smsc.port, SystemId: 'desk', Password: 'secret12' };
  const clock = manualClock();
  const open = async (options: Partial<TestGatewayOptions> = {}) => {
    const gateway = await openGateway(settings, { direction: 'O', clock, ...options });
    undo.push(gateway.close);
    return gateway;
  };
  const attempt = (messageId: string, number = 1) =>
    Object.assign(attemptOf(messageId), { number, startedAt: clock.now(), firstAttemptAt: clock.now() });
  /** Sends, and the connection is lost before the response. */
  const lose = async (gateway: TestGateway, message: ComposedText, messageId: string) => {
    const before = smsc.submits.length;
    smsc.script = () => 'silent';
    const sending = gateway.send(message, attempt(messageId));
    await waitFor('all parts', () => smsc.submits.length === before + message.segments);
    smsc.dropAll();
    const outcome = await sending;
    smsc.script = () => undefined;
    await clock.advance(60_000);
    await waitFor('the next bind', () => smsc.binds().length === 1);
    return outcome;
  };
  const receipt = (id: string, to = ANNA, rest = ' stat:DELIVRD err:000') =>
    smsc.deliver(deliverFields(to, '12345', { short_message: `id:${id}${rest}`, esm_class: 4 }));
  return { smsc, clock, open, attempt, lose, receipt };
}

const idsOf = (outcome: Outcome) => (outcome.kind === 'unknown' ? (outcome.ids ?? []) : []);

describe('a receipt with an unknown id', () => {
  it('settles the one message to its recipient, under the id that the journal knows, and a lookup finds it', async () => {
    const { smsc, open, attempt, lose, receipt } = await set();
    const gateway = await open();
    const outcome = await lose(gateway, HELLO, 'message-1');
    expect(outcome.kind).toBe('unknown');
    const [partId = ''] = idsOf(outcome);
    const [{ id = '' } = {}] = smsc.submits;
    expect(await receipt(id)).toBe(0);
    expect(gateway.receipts).toMatchObject([
      { id, state: 'delivered' },
      { id: partId, state: 'delivered', detail: expect.stringContaining('matched by recipient and time') },
    ]);
    expect(await gateway.lookup(HELLO, attempt('message-1'))).toMatchObject({ kind: 'sent', ids: [id] });
  });

  it('is reported under both ids in every later state, also after a restart', async () => {
    const { smsc, open, lose, receipt } = await set();
    const gateway = await open();
    const [partId = ''] = idsOf(await lose(gateway, HELLO, 'message-1'));
    const [{ id = '' } = {}] = smsc.submits;
    await receipt(id, ANNA, ' stat:ENROUTE');
    await gateway.close();
    const again = await open({ driverState: gateway.driverState });
    await receipt(id);
    expect(again.receipts).toMatchObject([
      { id, state: 'delivered' },
      { id: partId, state: 'delivered' },
    ]);
  });

  it('settles all parts of a long message', async () => {
    const { smsc, open, attempt, lose, receipt } = await set();
    const gateway = await open();
    const outcome = await lose(gateway, LONG, 'message-1');
    expect(idsOf(outcome)).toHaveLength(3);
    await receipt(smsc.submits[0]?.id ?? '');
    expect((await gateway.lookup(LONG, attempt('message-1'))) as Outcome).toMatchObject({ kind: 'unknown' });
    for (const { id } of smsc.submits.slice(1)) await receipt(id);
    expect(await gateway.lookup(LONG, attempt('message-1'))).toMatchObject({ kind: 'sent', state: 'delivered' });
    const settled = gateway.receipts.filter(({ id }) => idsOf(outcome).includes(id));
    expect(new Set(settled.map(({ id }) => id))).toEqual(new Set(idsOf(outcome)));
  });

  it('settles nothing while two messages to the recipient may be meant', async () => {
    const { smsc, open, attempt, lose, receipt } = await set();
    const gateway = await open();
    const other = outboundText('Your order has left', ANNA);
    const partIds = [
      ...idsOf(await lose(gateway, HELLO, 'message-1')),
      ...idsOf(await lose(gateway, other, 'message-2')),
    ];
    expect(partIds).toHaveLength(2);
    await receipt(smsc.submits[1]?.id ?? '');
    expect(gateway.receipts.filter(({ id }) => partIds.includes(id))).toEqual([]);
    expect(await gateway.lookup(HELLO, attempt('message-1'))).toMatchObject({ kind: 'unknown' });
    expect(await gateway.lookup(other, attempt('message-2'))).toMatchObject({ kind: 'unknown' });
  });

  it('settles one of two messages when the text of the receipt fits only one', async () => {
    const { smsc, open, attempt, lose, receipt } = await set();
    const gateway = await open();
    const other = outboundText('Your order has left', ANNA);
    await lose(gateway, HELLO, 'message-1');
    await lose(gateway, other, 'message-2');
    await receipt(smsc.submits[1]?.id ?? '', ANNA, ' stat:DELIVRD err:000 text:Your order has');
    expect(await gateway.lookup(HELLO, attempt('message-1'))).toMatchObject({ kind: 'unknown' });
    expect(await gateway.lookup(other, attempt('message-2'))).toMatchObject({ kind: 'sent', ids: ['2002'] });
  });

  it('of a message that the journal knows settles no other one', async () => {
    const { smsc, open, attempt, lose, receipt } = await set();
    const first = await open();
    await first.send(outboundText('an earlier one', ANNA));
    await first.close();
    // After a restart only the journal knows the id.
    const gateway = await open({ driverState: first.driverState });
    await lose(gateway, HELLO, 'message-1');
    await receipt(smsc.submits[0]?.id ?? '');
    expect(await gateway.lookup(HELLO, attempt('message-1'))).toMatchObject({ kind: 'unknown' });
  });

  it('that comes before the response of a message in flight settles no other one', async () => {
    const { smsc, open, attempt, lose, receipt } = await set();
    const gateway = await open();
    await lose(gateway, HELLO, 'message-1');
    let respond = () => {};
    const after = new Promise<void>((resolve) => {
      respond = resolve;
    });
    smsc.script = () => ({ after });
    const sending = gateway.send(outboundText('quick', ANNA), attempt('message-2'));
    await waitFor('the second message', () => smsc.submits.length === 2);
    expect(await receipt(smsc.submits[1]?.id ?? '')).toBe(0);
    respond();
    expect((await sending).kind).toBe('sent');
    expect(await gateway.lookup(HELLO, attempt('message-1'))).toMatchObject({ kind: 'unknown' });
  });

  it('finds a message that a killed process sent, at its lookup', async () => {
    const { smsc, clock, open, attempt, lose, receipt } = await set();
    const killed = await open();
    const started = attempt('message-1');
    await clock.advance(1_000);
    await lose(killed, HELLO, 'message-1');
    await killed.close();
    // The next process finds nothing of the attempt but its receipt.
    const gateway = await open({ driverState: createDriverState() });
    expect(await receipt(smsc.submits[0]?.id ?? '')).toBe(0);
    expect(await gateway.lookup(HELLO, started)).toMatchObject({ kind: 'sent', ids: ['2001'] });
  });

  it('settles a message that a killed process sent, also when it comes after the lookup', async () => {
    const { smsc, clock, open, attempt, lose, receipt } = await set();
    const killed = await open();
    const started = attempt('message-1');
    await clock.advance(1_000);
    await lose(killed, HELLO, 'message-1');
    await killed.close();
    const gateway = await open({ driverState: createDriverState() });
    const found = await gateway.lookup(HELLO, started);
    const ids = found === 'not found' ? [] : idsOf(found);
    expect(ids).toHaveLength(1);
    await receipt(smsc.submits[0]?.id ?? '');
    expect(gateway.receipts).toContainEqual(expect.objectContaining({ id: ids[0], state: 'delivered' }));
  });

  it('from before the attempt settles nothing', async () => {
    const { clock, open, attempt, lose, receipt } = await set();
    const gateway = await open();
    await receipt('dead');
    await clock.advance(1_000);
    await lose(gateway, HELLO, 'message-1');
    expect(await gateway.lookup(HELLO, attempt('message-1'))).toMatchObject({ kind: 'unknown' });
  });
});

describe('a late response', () => {
  it.each([
    ['accepts', undefined, { state: 'sent', detail: 'the response to submit_sm came late' }],
    ['rejects', { status: 0x0b }, { state: 'undelivered', detail: expect.stringContaining('ESME_RINVDSTADR') }],
  ])('that %s settles the message without a lookup', async (_name, action, expected) => {
    const { smsc, open, attempt } = await set();
    const gateway = await open();
    let sequence = 0;
    smsc.script = (pdu) => {
      sequence = pdu.sequence_number;
      return 'silent';
    };
    const trying = attempt('message-1');
    const sending = gateway.send(HELLO, trying);
    await smsc.silent();
    trying.abort();
    const [id] = idsOf(await sending);
    const response = Buffer.from([0, 0, 0, 18, 0x80, 0, 0, 4, 0, 0, 0, action?.status ?? 0, 0, 0, 0, 0, 0x37, 0]);
    response.writeUInt32BE(sequence, 12);
    smsc.raw(response);
    await waitFor('the settlement', () => gateway.receipts.length === 1);
    expect(gateway.receipts).toMatchObject([{ id, ...expected }]);
  });
});
