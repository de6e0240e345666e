// Responses of the SMSC that do not fit the standard.
import { afterEach, describe, expect, it } from 'vitest';
import { contextOf, outboundText } from '../../../test/conformance/context.js';
import { manualClock } from '../../../test/fixtures/manual-clock.js';
import { waitFor } from '../../../test/fixtures/wait-for.js';
import { openGateway } from '../../../test/servers/smpp-gateway.js';
import { deliverFields, startSmsc } from '../../../test/servers/smsc.js';
import { smpp } from '../driver.js';
import { decode, encode } from '../pdu/pdu.js';
import { type Delivery, ResponseCache } from '../receive/response-cache.js';
import type { Connection } from './connection.js';

const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

async function set(clock = manualClock()) {
  const smsc = await startSmsc({ systemId: 'desk', password: 'secret12' });
  undo.push(smsc.close);
  const settings = { Host: '127.0.0.1', Port: smsc.port, SystemId: 'desk', Password: 'secret12' };
  const gateway = await openGateway(settings, { direction: 'O', clock });
  undo.push(gateway.close);
  return { smsc, gateway };
}

function pdu(id: number, status: number, sequence: number, body: string | Buffer = ''): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(16), Buffer.from(body)]);
  for (const [at, value] of [bytes.length, id, status, sequence].entries()) bytes.writeUInt32BE(value, at * 4);
  return bytes;
}

const NACK = 0x80000000;
const SUBMIT_RESP = 0x80000004;

describe('a response to submit_sm that neither accepts nor rejects', () => {
  it.each([
    ['a generic_nack with status 0', NACK, '', 'a generic_nack with status 0'],
    ['a response to a data_sm', 0x80000103, '2001\0', 'a data_sm_resp'],
    ['a response to a deliver_sm', 0x80000005, '\0', 'a deliver_sm_resp'],
    ['a response to no known command', 0x80004711, '', 'a unknown'],
  ])('%s: the outcome is unknown, and nothing is sent again', async (_name, id, body, words) => {
    const { smsc, gateway } = await set();
    smsc.script = () => ({ raw: (sequence) => pdu(id, 0, sequence, body) });
    const detail = expect.stringContaining(`${words} instead of a response to submit_sm`);
    expect(await gateway.send(outboundText('hello'))).toMatchObject({ kind: 'unknown', detail });
    expect([smsc.asked, gateway.inputRejected]).toEqual([1, ['malformed']]);
    smsc.script = () => undefined;
    expect((await gateway.send(outboundText('the next'))).kind).toBe('sent');
  });
});

describe('a rejection', () => {
  it.each([
    ['by generic_nack', NACK, 3, '', /^ESME_RINVCMDID/],
    ['with a body that cannot be decoded', SUBMIT_RESP, 0x0b, 'abc', /^ESME_RINVDSTADR/],
    ['with an optional parameter that is cut off', SUBMIT_RESP, 0x0b, 'abc\0\0', /^ESME_RINVDSTADR/],
  ])('%s counts', async (_name, id, status, body, words) => {
    const { smsc, gateway } = await set();
    smsc.script = () => ({ raw: (sequence) => pdu(id, status, sequence, body) });
    const outcome = await gateway.send(outboundText('hello'));
    expect(outcome).toMatchObject({ kind: 'rejected', detail: expect.stringMatching(words) });
  });
});

describe('an accepted message', () => {
  it.each([
    ['with an id without its final NUL', (id: string) => id, 1],
    ['with half an optional parameter behind the id', (id: string) => `${id}\0\x04`, 1],
    ['with an id as it should be', (id: string) => `${id}\0`, 0],
  ])('%s is sent, and its receipt is reported', async (_name, write, malformed) => {
    const { smsc, gateway } = await set();
    smsc.script = () => ({ raw: (sequence, id) => pdu(SUBMIT_RESP, 0, sequence, write(id)) });
    expect(await gateway.send(outboundText('hello'))).toMatchObject({ kind: 'sent', deliverySystemId: '2001' });
    expect(gateway.inputRejected).toHaveLength(malformed);
    await smsc.deliver(
      deliverFields('+420777123456', '12345', { esm_class: 4, short_message: 'id:2001 stat:DELIVRD' }),
    );
    expect(gateway.receipts).toMatchObject([{ id: '2001', state: 'delivered' }]);
  });

  it('without any body is sent under our own reference', async () => {
    const { smsc, gateway } = await set();
    smsc.script = () => ({ raw: (sequence) => pdu(SUBMIT_RESP, 0, sequence) });
    const message = outboundText('hello');
    const deliverySystemId = message.reference;
    expect(await gateway.send(message)).toMatchObject({ kind: 'sent', deliverySystemId, ids: [] });
  });
});

it('an unexpected response to enquire_link shows that the SMSC is alive', async () => {
  const clock = manualClock();
  const { smsc, gateway } = await set(clock);
  smsc.deaf = true;
  await clock.advance(30_000);
  await waitFor('an enquire_link', () => smsc.enquired === 1);
  smsc.raw(pdu(NACK, 0, 2));
  await waitFor('the response to be read', () => gateway.inputRejected.length === 1);
  await clock.advance(11_000);
  expect(smsc.binds()).toHaveLength(1);
});

describe('the cache of our responses', () => {
  const delivery = (connection: Connection): Delivery => ({
    pdu: decode(encode('deliver_sm', 1, 0)),
    connection,
    hash: 'the same',
    at: 0,
  });

  it('does not grow with messages that are all equal', () => {
    const clock = manualClock(0);
    const settings = { Host: 'equal.test', SystemId: 'desk', Password: 'secret12' };
    const responses = new ResponseCache(contextOf(smpp, settings, { clock }));
    let count = 0;
    let isOpen = true;
    const connection: Connection = {
      get isOpen() {
        return isOpen;
      },
      responsesRead: 0,
      respond: () => {
        count += 1;
        return count;
      },
      request: () => Promise.reject(new Error('not here')),
      closed: new Promise(() => undefined),
      startEnquiring: () => undefined,
      unbind: async () => undefined,
      destroy: () => undefined,
    };
    for (let time = 0; time < 1_000; time++) responses.respond(delivery(connection), 0);
    isOpen = false;
    let excused = 0;
    while (responses.isRepeat(delivery(connection))) excused += 1;
    expect(excused).toBe(100);
  });
});
