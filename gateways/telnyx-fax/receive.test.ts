// Receiving by polling: nothing missed, nothing twice, documents whose addresses have expired, and documents that are gone.

import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openNetwork } from '../../src/driver/network.js';
import type { Fax } from '../../test/servers/telnyx-account.js';
import { PDF, startTelnyxFixture, type TelnyxFixture } from '../../test/servers/telnyx-fixture.js';
import { type ApiContext, openApi } from './api.js';
import { download } from './media.js';

let fixture: TelnyxFixture;
beforeEach(async () => {
  fixture = await startTelnyxFixture();
});
afterEach(() => fixture.end());

const HOUR = 3_600_000;
const fetches = () => fixture.server.requests.filter(({ path }) => path.startsWith('/store/'));
const refreshes = () => fixture.server.requests.filter(({ path }) => path.endsWith('/refresh'));
const polls = () => fixture.server.requests.filter(({ path, method }) => path === '/faxes' && method === 'GET');

async function started(written: Record<string, unknown> = {}) {
  const session = await fixture.open('I', written);
  const receiving = fixture.receiving(session);
  const first = receiving.next();
  await fixture.waitFor(
    'the end of the first start',
    () =>
      fixture.driverState.checkpoints.size > 0 &&
      JSON.stringify([...fixture.driverState.checkpoints]).includes('settledUpTo":1'),
  );
  return { session, receiving, first };
}

describe('polling', () => {
  it('a fax arrives whole, with its values, and the store never sees the key', async () => {
    const { first } = await started();
    await fixture.jump(5_000);
    const fax = fixture.server.receive({ document: PDF });
    const { key, content, bytes } = await fixture.turn(first);
    expect(key).toBe(`fax:${fax.id}`);
    expect(bytes).toBeGreaterThan(PDF.length);
    expect(content).toEqual({
      ...{ kind: 'fax', raw: PDF, from: '+16132484850', to: fixture.server.number, station: null, callerName: null },
      ...{ providerId: fax.id, receivedAt: fax.updatedAt, pages: null, expectedPages: null, problem: null },
      ...{ facts: [], notes: [] },
    });
    expect(fetches().map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  it('what was there before the first start is not received, by a clock that is wrong as well', async () => {
    await fixture.end();
    fixture = await startTelnyxFixture(-HOUR);
    fixture.server.receive({ document: PDF });
    await fixture.jump(10_000);
    const { first } = await started();
    await fixture.jump(1_000);
    const fresh = fixture.server.receive({ document: PDF });
    expect((await fixture.turn(first)).key).toBe(`fax:${fresh.id}`);
    expect(fixture.driverState.keys('skipped')).toHaveLength(1);
  });

  it('a call that is going on at the first start is waited for, however long it takes', async () => {
    const fax = fixture.server.receive({ document: PDF, status: 'receiving' });
    const { first } = await started();
    for (let minute = 0; minute < 90; minute++) await fixture.jump(60_000);
    fax.status = 'received';
    expect((await fixture.turn(first)).key).toBe(`fax:${fax.id}`);
  });

  it('a day offline: everything that came arrives, oldest first, over many pages, each once', async () => {
    const { session, receiving, first } = await started();
    first.catch(() => {});
    await fixture.turn(receiving.stop());
    await fixture.turn(fixture.close(session));
    for (let n = 0; n < 230; n++) {
      await fixture.clock.advance(6 * 60_000);
      fixture.server.receive({ document: PDF, from: `+1613000${1000 + n}` });
    }
    const again = fixture.receiving(await fixture.open('I'));
    const keys: string[] = [];
    for (let n = 0; n < 230; n++) keys.push((await fixture.turn(again.take())).key);
    expect(keys).toEqual(fixture.server.account.faxes.map(({ id }) => `fax:${id}`));
    const next = again.next();
    await fixture.jump(120_000);
    const fax = fixture.server.receive({ document: PDF });
    expect((await fixture.turn(next)).key).toBe(`fax:${fax.id}`);
  });

  it('one that was never confirmed is found again after a restart, days of other faxes later', async () => {
    const { session, receiving, first } = await started();
    await fixture.jump(1_000);
    const fax = fixture.server.receive({ document: PDF });
    await fixture.turn(first);
    for (let n = 0; n < 5; n++) {
      await fixture.jump(8 * HOUR);
      fixture.server.receive({ document: PDF });
      await fixture.turn(receiving.take());
    }
    await fixture.turn(receiving.stop());
    await fixture.turn(fixture.close(session));
    const again = fixture.receiving(await fixture.open('I'));
    expect((await fixture.turn(again.take())).key).toBe(`fax:${fax.id}`);
  });

  it('one that shows in the list half an hour late arrives all the same', async () => {
    const { receiving, first } = await started();
    first.catch(() => {});
    for (let hour = 0; hour < 3; hour++) await fixture.jump(HOUR);
    const late = fixture.server.receive({ document: PDF, at: fixture.clock.now() - HOUR / 2 });
    expect((await fixture.turn(first)).key).toBe(`fax:${late.id}`);
    await fixture.turn(receiving.stop());
  });

  it('faxes to other numbers, failed calls and faxes that were sent do not count as received', async () => {
    const { first } = await started();
    await fixture.jump(1_000);
    const { account, connectionId, number } = fixture.server;
    fixture.server.receive({ document: PDF, to: '+13125790099' });
    fixture.server.receive({ document: PDF, status: 'failed', reason: 'sender_call_dropped' });
    const facts = { from: number, to: number, connectionId, createdAt: fixture.clock.now() };
    account.add({ direction: 'outbound', status: 'delivered', ...facts });
    await fixture.jump(60_000);
    const fax = fixture.server.receive({ document: PDF });
    expect((await fixture.turn(first)).key).toBe(`fax:${fax.id}`);
  });

  it('a failed poll is repeated; a rejected key ends the session with one sentence', async () => {
    const { first } = await started();
    fixture.server.trouble = ({ path }) => (path === '/faxes' ? { is: 'refuse', status: 500 } : undefined);
    const before = polls().length;
    await fixture.waitFor('a poll', () => polls().length > before);
    await fixture.quiet();
    fixture.server.trouble = ({ path }) =>
      path === '/faxes' ? { is: 'refuse', status: 401, code: '10009', title: 'Authentication failed' } : undefined;
    await expect(fixture.turn(first)).rejects.toThrow(
      /^the faxes of the account cannot be listed: Telnyx answered 401 10009 Authentication failed$/,
    );
  });
});

describe('documents', () => {
  const arriving = async (prepare: (fax: Fax) => void, document = PDF) => {
    const { first } = await started();
    await fixture.jump(1_000);
    const fax = fixture.server.receive({ document });
    prepare(fax);
    return { fax, first };
  };

  it('an expired address is requested again by the id of the fax', async () => {
    const { first } = await arriving((fax) => fixture.server.expire(fax));
    expect(Buffer.from((await fixture.turn(first)).content?.raw ?? []).equals(PDF)).toBe(true);
    expect(refreshes()).toHaveLength(1);
  });

  it('one of 10 MB arrives whole', async () => {
    const large = Buffer.alloc(10_000_000, 7);
    const { first } = await arriving(() => {}, large);
    expect(Buffer.from((await fixture.turn(first)).content?.raw ?? []).equals(large)).toBe(true);
  });

  it('gone for good: the fax arrives after five polls all the same and says so, and others do not wait for it', async () => {
    const { receiving, first } = await started();
    await fixture.jump(1_000);
    const fax = fixture.server.receive({ document: PDF });
    fixture.server.expire(fax, true);
    await fixture.jump(1_000);
    const other = fixture.server.receive({ document: PDF });
    expect((await fixture.turn(first)).key).toBe(`fax:${other.id}`);
    const { key, content } = await fixture.turn(receiving.next());
    expect(key).toBe(`fax:${fax.id}`);
    expect(content).toMatchObject({ problem: 'it is not at the address that Telnyx names', from: '+16132484850' });
    expect(content?.raw).toHaveLength(0);
    expect(content?.notes).toEqual([expect.stringContaining('could not be fetched')]);
    expect(refreshes()).toHaveLength(5);
  });

  it('a store that fails is waited for: the fax arrives with its document hours later', async () => {
    const { first } = await arriving(() => {
      fixture.server.trouble = ({ path }) => (path.startsWith('/store/') ? { is: 'refuse', status: 503 } : undefined);
    });
    await fixture.waitFor('nine downloads', () => fetches().length > 8);
    for (let hour = 0; hour < 5; hour++) await fixture.jump(HOUR);
    fixture.server.trouble = () => undefined;
    expect((await fixture.turn(first)).content?.raw).toHaveLength(PDF.length);
  });

  it('a store that sends us to an address without encryption is not followed', async () => {
    const { first } = await arriving(() => {});
    fixture.server.trouble = ({ path }) =>
      path.startsWith('/store/')
        ? { is: 'babble', status: 302, body: '', headers: { location: 'http://169.254.169.254/latest/meta-data' } }
        : undefined;
    const { content } = await fixture.turn(first);
    expect(content?.problem).toBe('it is not at the address that Telnyx names');
    expect(JSON.stringify(fixture.recorded.lines)).toContain('169.254.169.254 is not https');
  });
});

const apiOf = (settings: ApiContext['settings']) => openApi({ settings, clock: fixture.clock, network: openNetwork });

it('the key goes along with a document at the host of the API, and with no other', async () => {
  const keys: unknown[] = [];
  const shop = createHttpServer(({ headers }, reply) => {
    keys.push(headers.authorization);
    reply.end(PDF);
  });
  await new Promise<void>((resolve) => shop.listen(0, '127.0.0.1', resolve));
  const { port } = shop.address() as AddressInfo;
  const api = apiOf({ ApiKey: 'key', BaseUrl: `http://127.0.0.1:${port}/v2` });
  const { signal } = new AbortController();
  for (const host of ['127.0.0.1', 'localhost'])
    expect(await download(api, 'key', `http://${host}:${port}/fax.pdf`, signal)).toEqual(PDF);
  await api.close();
  await new Promise((resolve) => shop.close(resolve));
  expect(keys).toEqual(['Bearer key', undefined]);
});

describe('an address of a private network', () => {
  it.each(['127.0.0.1', 'localhost', '[::1]'])('gets no request, also not as https://%s', async (host) => {
    const asked: unknown[] = [];
    const inner = createServer((socket) => void asked.push(socket.destroy()));
    await new Promise<void>((resolve) => inner.listen(0, resolve));
    const { port } = inner.address() as AddressInfo;
    const api = apiOf({ ApiKey: 'key' });
    const failure = download(api, 'key', `https://${host}:${port}/fax.pdf`, new AbortController().signal);
    await expect(failure).rejects.toThrow('belongs to a private network');
    await api.close();
    await new Promise((resolve) => inner.close(resolve));
    expect(asked).toEqual([]);
  });
});
