// Impossible input of the SMSC: a clear response, a count, and everything after it is read as usual.
import { afterEach, expect, it } from 'vitest';
import { waitFor } from '../../../test/fixtures/wait-for.js';
import { openGateway } from '../../../test/servers/smpp-gateway.js';
import { deliverFields, startSmsc } from '../../../test/servers/smsc.js';

const login = { systemId: 'desk', password: 'secret12' };
const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

async function set(direction: 'I' | 'O' = 'I') {
  const smsc = await startSmsc(login);
  undo.push(smsc.close);
  const settings = { Host: '127.0.0.1', Port: smsc.port, SystemId: login.systemId, Password: login.password };
  const gateway = await openGateway(settings, { direction });
  undo.push(gateway.close);
  return { smsc, gateway };
}

const deliver = (fields: Readonly<Record<string, unknown>>) => deliverFields('+420777123456', '12345', fields);

/** `id`: the command; the body is the rest, zeros. */
function pdu(id: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeUInt32BE(length, 0);
  bytes.writeUInt32BE(id, 4);
  bytes.writeUInt32BE(77, 12);
  return bytes;
}

it.each([
  ['a deliver_sm that ends in the middle', pdu(5, 24), 2, 'malformed'],
  ['a request with an unknown command id', pdu(0x4711, 16), 3, 'malformed'],
])('%s', async (_name, bytes, status, reason) => {
  const { smsc, gateway } = await set();
  smsc.raw(bytes);
  await waitFor('the rejection', () => smsc.nacks.length === 1);
  expect([smsc.nacks, gateway.inputRejected]).toEqual([[status], [reason]]);
  void smsc.deliver(deliver({ short_message: 'fine' }));
  expect(await gateway.take()).toBe('fine');
  expect(gateway.inputRejected).toHaveLength(1);
});

it('a bind of the SMSC to us', async () => {
  const { smsc, gateway } = await set();
  smsc.raw(pdu(9, 23));
  await waitFor('the rejection', () => gateway.inputRejected.length === 1);
  expect(gateway.inputRejected).toEqual(['unknown_command']);
  void smsc.deliver(deliver({ short_message: 'fine' }));
  expect(await gateway.take()).toBe('fine');
});

it('an impossible length', async () => {
  const { smsc, gateway } = await set();
  const asked = gateway.next();
  smsc.raw(pdu(0x7fffffff, 16).fill(0xff, 0, 4));
  await expect(asked).rejects.toThrow('octets was announced');
  expect(gateway.inputRejected).toEqual(['malformed']);
});

it('a binary message', async () => {
  const { smsc, gateway } = await set();
  void gateway.next().catch(() => undefined);
  expect(await smsc.deliver(deliver({ short_message: Buffer.from([1, 2, 3]), data_coding: 4 }))).toBe(0x66);
  expect(gateway.inputRejected).toEqual(['binary']);
});

it('an impossible header: counted once, and the text arrives', async () => {
  const { smsc, gateway } = await set();
  const short_message = Buffer.from([5, 0, 3, 1, 5, 7, 0x41]);
  void smsc.deliver(deliver({ short_message, esm_class: 0x40, data_coding: 0 }));
  expect(await gateway.take()).toBe('A');
  expect(gateway.inputRejected).toEqual(['bad_header']);
});

it('a receipt that names no message: accepted, because it would block the others', async () => {
  const { smsc, gateway } = await set('O');
  expect(await smsc.deliver(deliver({ short_message: 'stat:DELIVRD', esm_class: 4 }))).toBe(0);
  expect([gateway.inputRejected, gateway.receipts]).toEqual([['malformed'], []]);
});
