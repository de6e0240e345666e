// Receiving by looking: nothing missed, nothing twice, documents whose addresses have passed, and documents that are gone.
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Fax } from '../../test/servers/telnyx-account.js';
import { PDF, startTelnyxBed, type TelnyxBed } from '../../test/servers/telnyx-bed.js';
import { download, isInside } from './download.js';

let bed: TelnyxBed;
beforeEach(async () => {
  bed = await startTelnyxBed();
});
afterEach(() => bed.end());

const HOUR = 3_600_000;
const fetches = () => bed.server.requests.filter(({ path }) => path.startsWith('/store/'));
const refreshes = () => bed.server.requests.filter(({ path }) => path.endsWith('/refresh'));
const looks = () => bed.server.requests.filter(({ path, method }) => path === '/faxes' && method === 'GET');

async function started(written: Record<string, unknown> = {}) {
  const session = await bed.open('I', written);
  const receiving = bed.receiving(session);
  const first = receiving.next();
  await bed.fact(
    () =>
      bed.driverState.checkpoints.size > 0 &&
      JSON.stringify([...bed.driverState.checkpoints]).includes('settledUpTo":1'),
  );
  return { session, receiving, first };
}

describe('looking', () => {
  it('a fax arrives with its facts, whole, and the store never sees the key', async () => {
    const { first } = await started();
    await bed.jump(5_000);
    const fax = bed.server.receive({ document: PDF });
    const { key, content, bytes } = await bed.turn(first);
    expect(key).toBe(`fax:${fax.id}`);
    expect(bytes).toBeGreaterThan(PDF.length);
    expect(content).toEqual({
      ...{ kind: 'fax', raw: PDF, from: '+16132484850', to: bed.server.number, station: null, callerName: null },
      ...{ providerId: fax.id, receivedAt: fax.updatedAt, pages: null, expectedPages: null, problem: null },
      ...{ facts: [], notes: [] },
    });
    expect(fetches().map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  it('what was there before the first start is left alone, by a clock that is wrong as well', async () => {
    await bed.end();
    bed = await startTelnyxBed(-HOUR);
    bed.server.receive({ document: PDF });
    await bed.jump(10_000);
    const { first } = await started();
    await bed.jump(1_000);
    const fresh = bed.server.receive({ document: PDF });
    expect((await bed.turn(first)).key).toBe(`fax:${fresh.id}`);
    expect(bed.driverState.keys('skipped')).toHaveLength(1);
  });

  it('a call that is going on at the first start is waited for, however long it takes', async () => {
    const fax = bed.server.receive({ document: PDF, status: 'receiving' });
    const { first } = await started();
    for (let minute = 0; minute < 90; minute++) await bed.jump(60_000);
    fax.status = 'received';
    expect((await bed.turn(first)).key).toBe(`fax:${fax.id}`);
  });

  it('a day offline: everything that came arrives, oldest first, over many pages, each once', async () => {
    const { session, receiving, first } = await started();
    first.catch(() => {});
    await bed.turn(receiving.stop());
    await bed.turn(bed.close(session));
    for (let n = 0; n < 230; n++) {
      await bed.clock.advance(6 * 60_000);
      bed.server.receive({ document: PDF, from: `+1613000${1000 + n}` });
    }
    const again = bed.receiving(await bed.open('I'));
    const keys: string[] = [];
    for (let n = 0; n < 230; n++) keys.push((await bed.turn(again.take())).key);
    expect(keys).toEqual(bed.server.account.faxes.map(({ id }) => `fax:${id}`));
    const next = again.next();
    await bed.jump(120_000);
    const fax = bed.server.receive({ document: PDF });
    expect((await bed.turn(next)).key).toBe(`fax:${fax.id}`);
  });

  it('one that nobody has confirmed is found again after a restart, days of other faxes later', async () => {
    const { session, receiving, first } = await started();
    await bed.jump(1_000);
    const fax = bed.server.receive({ document: PDF });
    await bed.turn(first);
    for (let n = 0; n < 5; n++) {
      await bed.jump(8 * HOUR);
      bed.server.receive({ document: PDF });
      await bed.turn(receiving.take());
    }
    await bed.turn(receiving.stop());
    await bed.turn(bed.close(session));
    const again = bed.receiving(await bed.open('I'));
    expect((await bed.turn(again.take())).key).toBe(`fax:${fax.id}`);
  });

  it('one that shows in the list half an hour late arrives all the same', async () => {
    const { receiving, first } = await started();
    first.catch(() => {});
    for (let hour = 0; hour < 3; hour++) await bed.jump(HOUR);
    const late = bed.server.receive({ document: PDF, at: bed.clock.now() - HOUR / 2 });
    expect((await bed.turn(first)).key).toBe(`fax:${late.id}`);
    await bed.turn(receiving.stop());
  });

  it('faxes to other numbers, failed calls and faxes that were sent are not taken for received ones', async () => {
    const { first } = await started();
    await bed.jump(1_000);
    const { account, connectionId, number } = bed.server;
    bed.server.receive({ document: PDF, to: '+13125790099' });
    bed.server.receive({ document: PDF, status: 'failed', reason: 'sender_call_dropped' });
    const facts = { from: number, to: number, connectionId, createdAt: bed.clock.now() };
    account.add({ direction: 'outbound', status: 'delivered', ...facts });
    await bed.jump(60_000);
    const fax = bed.server.receive({ document: PDF });
    expect((await bed.turn(first)).key).toBe(`fax:${fax.id}`);
  });

  it('a failed look is made again in its time; a key that is refused ends the session with one sentence', async () => {
    const { first } = await started();
    bed.server.trouble = ({ path }) => (path === '/faxes' ? { is: 'refuse', status: 500 } : undefined);
    const before = looks().length;
    await bed.fact(() => looks().length > before);
    await bed.quiet();
    bed.server.trouble = ({ path }) =>
      path === '/faxes' ? { is: 'refuse', status: 401, code: '10009', title: 'Authentication failed' } : undefined;
    await expect(bed.turn(first)).rejects.toThrow(
      /^the faxes of the account cannot be listed: Telnyx answered 401 10009 Authentication failed$/,
    );
  });
});

describe('documents', () => {
  const arriving = async (prepare: (fax: Fax) => void, document = PDF) => {
    const { first } = await started();
    await bed.jump(1_000);
    const fax = bed.server.receive({ document });
    prepare(fax);
    return { fax, first };
  };

  it('an address that has passed is asked for afresh by the id of the fax', async () => {
    const { first } = await arriving((fax) => bed.server.expire(fax));
    expect(Buffer.from((await bed.turn(first)).content?.raw ?? []).equals(PDF)).toBe(true);
    expect(refreshes()).toHaveLength(1);
  });

  it('one of 10 MB arrives whole', async () => {
    const large = Buffer.alloc(10_000_000, 7);
    const { first } = await arriving(() => {}, large);
    expect(Buffer.from((await bed.turn(first)).content?.raw ?? []).equals(large)).toBe(true);
  });

  it('gone for good: the fax arrives after five looks all the same and says so, and others do not wait for it', async () => {
    const { receiving, first } = await started();
    await bed.jump(1_000);
    const fax = bed.server.receive({ document: PDF });
    bed.server.expire(fax, true);
    await bed.jump(1_000);
    const other = bed.server.receive({ document: PDF });
    expect((await bed.turn(first)).key).toBe(`fax:${other.id}`);
    const { key, content } = await bed.turn(receiving.next());
    expect(key).toBe(`fax:${fax.id}`);
    expect(content).toMatchObject({ problem: 'Telnyx names an address at which it is not', from: '+16132484850' });
    expect(content?.raw).toHaveLength(0);
    expect(content?.notes).toEqual([expect.stringContaining('could not be fetched')]);
    expect(refreshes()).toHaveLength(5);
  });

  it('a store that is out of order is waited for: the fax arrives with its document hours later', async () => {
    const { first } = await arriving(() => {
      bed.server.trouble = ({ path }) => (path.startsWith('/store/') ? { is: 'refuse', status: 503 } : undefined);
    });
    await bed.fact(() => fetches().length > 8);
    for (let hour = 0; hour < 5; hour++) await bed.jump(HOUR);
    bed.server.trouble = () => undefined;
    expect((await bed.turn(first)).content?.raw).toHaveLength(PDF.length);
  });

  it('a store that sends us to an address without encryption is not followed', async () => {
    const { first } = await arriving(() => {});
    bed.server.trouble = ({ path }) =>
      path.startsWith('/store/')
        ? { is: 'babble', status: 302, body: '', headers: { location: 'http://169.254.169.254/latest/meta-data' } }
        : undefined;
    const { content } = await bed.turn(first);
    expect(content?.problem).toBe('Telnyx names an address at which it is not');
    expect(JSON.stringify(bed.said.lines)).toContain('169.254.169.254, which is not https');
  });
});

it('a document at the host of the API is asked for with the key, and nowhere else', async () => {
  const keys: unknown[] = [];
  const shop = createHttpServer(({ headers }, reply) => {
    keys.push(headers.authorization);
    reply.end(PDF);
  });
  await new Promise<void>((resolve) => shop.listen(0, '127.0.0.1', resolve));
  const { port } = shop.address() as AddressInfo;
  const home = { url: new URL(`http://127.0.0.1:${port}/v2`), authorization: 'Bearer key' };
  for (const host of ['127.0.0.1', 'localhost'])
    expect(await download(`http://${host}:${port}/fax.pdf`, home, new AbortController().signal)).toEqual(PDF);
  await new Promise((resolve) => shop.close(resolve));
  expect(keys).toEqual(['Bearer key', undefined]);
});

describe('an address inside the house', () => {
  it.each(['127.0.0.1', 'localhost', '[::1]'])('is never asked, also not as https://%s', async (host) => {
    const asked: unknown[] = [];
    const inner = createServer((socket) => void asked.push(socket.destroy()));
    await new Promise<void>((resolve) => inner.listen(0, resolve));
    const { port } = inner.address() as AddressInfo;
    const home = { url: new URL('https://api.telnyx.com/v2'), authorization: 'Bearer x' };
    const failure = download(`https://${host}:${port}/fax.pdf`, home, new AbortController().signal);
    await expect(failure).rejects.toThrow('its address is inside the house');
    await new Promise((resolve) => inner.close(resolve));
    expect(asked).toEqual([]);
  });

  it('is known in all its forms', () => {
    const inside = ['10.1.2.3', '127.0.0.1', '169.254.169.254', '172.31.0.1', '192.168.0.1', '0.0.0.0'];
    const six = ['::1', '::', 'fd00::1', 'fe80::1', '::ffff:10.0.0.1', '64:ff9b::a00:1'];
    expect([...inside, ...six].filter((address) => !isInside(address))).toEqual([]);
    expect(['1.1.1.1', '52.216.0.1', '2606:4700::1111', '::ffff:1.1.1.1'].filter(isInside)).toEqual([]);
  });
});
