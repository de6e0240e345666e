import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openNetwork } from '../../src/driver/network.js';
import { outboundFax } from '../../test/conformance/fax-samples.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { freePort } from '../../test/servers/process.js';
import { type ApiRequest, startTelnyx } from '../../test/servers/telnyx.js';
import type { Fax } from '../../test/servers/telnyx-account.js';
import { GATEWAY, startTelnyxFixture, type TelnyxFixture } from '../../test/servers/telnyx-fixture.js';
import { openApi } from './api.js';
import { lookup } from './lookup.js';
import { send } from './send.js';

const A = '99999999-0000-4000-8000-00000000000a';
const B = '99999999-0000-4000-8000-00000000000b';
const isSendRequest = ({ method, path }: ApiRequest) => method === 'POST' && path === '/faxes';

let fixture: TelnyxFixture;
beforeEach(async () => {
  fixture = await startTelnyxFixture();
});
afterEach(() => fixture.end());

const only = (): Fax => {
  const [sent, ...more] = fixture.server.account.faxes.filter(({ direction }) => direction === 'outbound');
  if (!sent || more.length > 0) throw new Error(`${more.length + (sent ? 1 : 0)} faxes were sent instead of one`);
  return sent;
};
const sendRequests = () => fixture.server.requests.filter(isSendRequest);
const json = (request: ApiRequest | undefined): Record<string, string> => JSON.parse(String(request?.body));
const cutSendRequests = (when: 'before' | 'after') => {
  fixture.server.trouble = (request) => (isSendRequest(request) ? { is: 'cut', when } : undefined);
};
const mend = () => {
  fixture.server.trouble = () => undefined;
};

describe('a call that ends in time', () => {
  it('delivered: sent, with pages and time, the document as it was, and nothing left at Telnyx', async () => {
    const session = await fixture.open('O', { Webhook: true, Resolution: 'Superfine' });
    const fax = outboundFax('one');
    fixture.server.fate = () => ['media.processed', 'sending'];
    const sending = send(session, fax, fixture.attempt(A));
    await fixture.waitFor('a sending fax', () =>
      fixture.server.account.faxes.some(({ status }) => status === 'sending'),
    );
    expect(fixture.server.account.media.size).toBe(1);
    Object.assign(only(), { status: 'delivered', pages: 2, seconds: 65, updatedAt: fixture.clock.now() });
    // What a webhook adds: pages and seconds are not in the answers of the API.
    await fixture.push(session, fixture.server.signed(fixture.server.event(only())));
    const outcome = await fixture.turn(sending);
    const { id, document } = only();
    expect(outcome).toEqual({
      kind: 'sent',
      deliverySystemId: id,
      ids: [id],
      state: 'delivered',
      detail: 'delivered, 2 pages, 1:05',
    });
    expect(document?.equals(Buffer.from(fax.pdf))).toBe(true);
    expect(fixture.server.account.media.size).toBe(0);
    expect(await fixture.driverState.listRecords('sent', '', 10)).toEqual([]);
    const { client_state, ...sendRequest } = json(sendRequests()[0]);
    expect(sendRequest).toEqual({
      connection_id: fixture.server.connectionId,
      from: fixture.server.number,
      to: fax.to,
      quality: 'very_high',
      media_name: expect.any(String),
      webhook_url: expect.stringContaining(GATEWAY),
    });
    expect(Buffer.from(client_state ?? '', 'base64').toString()).toBe(`gatepost ${GATEWAY} ${A} ${fax.reference}`);
  });

  const failures: [reason: string, kind: string, words: RegExp][] = [
    ['user_busy', 'rejected', /^failed user_busy: the number is busy$/],
    ['receiver_no_answer', 'rejected', /^failed receiver_no_answer: the call was not answered$/],
    ['a_brand_new_reason', 'rejected', /^failed a_brand_new_reason$/],
    ['user_channel_limit_exceeded', 'deferred', /no free line/],
  ];
  for (const [reason, kind, words] of failures) {
    it(`failed for ${reason}: ${kind}, in Telnyx's own words and what they mean`, async () => {
      const session = await fixture.open('O');
      fixture.server.fate = () => ['sending', { status: 'failed', reason }];
      expect(await fixture.turn(send(session, outboundFax('one'), fixture.attempt()))).toMatchObject({
        kind,
        detail: expect.stringMatching(words),
      });
      expect(fixture.server.account.media.size).toBe(0);
    });
  }

  it('every progress is noted once and reported nowhere else', async () => {
    const session = await fixture.open('O');
    fixture.server.fate = () => ['media.processed'];
    const notes: string[] = [];
    const note = (detail: string) => void notes.push(detail);
    const sending = send(session, outboundFax('one'), { ...fixture.attempt(A), note });
    await fixture.waitFor('one note', () => notes.length === 1);
    await fixture.jump(10_000);
    await fixture.server.advance(only().id, 'sending');
    await fixture.waitFor('two notes', () => notes.length === 2);
    await fixture.server.advance(only().id, 'delivered');
    expect(await fixture.turn(sending)).toMatchObject({ kind: 'sent', state: 'delivered' });
    expect(notes).toEqual(['media.processed: the pages are ready', 'sending: the pages are on the line']);
    expect(fixture.receipts).toEqual([]);
  });

  it('is answered in time, however long Telnyx takes to delete the document', async () => {
    const session = await fixture.open('O');
    const isDelete = ({ method }: ApiRequest) => method === 'DELETE';
    fixture.server.trouble = (request) => (isDelete(request) ? { is: 'hang', accepted: false } : undefined);
    const controller = new AbortController();
    const sending = send(session, outboundFax('one'), { ...fixture.attempt(A), signal: controller.signal });
    await fixture.turn(fixture.server.until(isDelete));
    expect(only().status).toBe('delivered');
    controller.abort(new Error('over'));
    expect(await sending).toMatchObject({ kind: 'sent', state: 'delivered' });
  });

  it('reported as delivered with 0 pages: not sent', async () => {
    const session = await fixture.open('O', { Webhook: true });
    fixture.server.fate = () => ['sending'];
    const sending = send(session, outboundFax('one'), fixture.attempt());
    await fixture.waitFor('a sending fax', () =>
      fixture.server.account.faxes.some(({ status }) => status === 'sending'),
    );
    Object.assign(only(), { status: 'delivered', pages: 0 });
    await fixture.push(session, fixture.server.signed(fixture.server.event(only())));
    expect(await fixture.turn(sending)).toMatchObject({ kind: 'rejected', detail: expect.stringContaining('0 pages') });
  });
});

describe('a call that takes longer than the answer', () => {
  beforeEach(() => {
    fixture.server.fate = () => ['media.processed', 'sending'];
  });

  it('Accepted: sent, accepted for transmission; its progress and its end are reported later, once', async () => {
    const session = await fixture.open('O');
    fixture.server.fate = () => ['media.processed'];
    const outcome = await fixture.turn(send(session, outboundFax('one'), fixture.attempt(A)));
    const { id } = only();
    expect(outcome).toMatchObject({ kind: 'sent', state: 'accepted', ids: [id] });
    expect(outcome).toMatchObject({ detail: 'accepted for transmission; media.processed: the pages are ready' });
    expect(fixture.receipts).toEqual([]);
    await fixture.server.advance(id, 'sending');
    await fixture.waitFor('a receipt', () => fixture.receipts.length > 0);
    await fixture.jump(60_000);
    expect(fixture.server.account.media.size).toBe(1);
    await fixture.server.advance(id, 'failed', { reason: 'receiver_call_dropped' });
    await fixture.waitFor('two receipts', () => fixture.receipts.length > 1);
    await fixture.jump(600_000);
    await fixture.quiet();
    const words = 'sending: the pages are on the line';
    expect(fixture.receipts).toEqual([
      { id, state: 'accepted', progress: true, at: expect.any(Number), detail: words },
      {
        id,
        state: 'undelivered',
        at: expect.any(Number),
        detail: 'receiver_call_dropped: the other side hung up',
      },
    ]);
    expect(fixture.server.account.media.size).toBe(0);
  });

  it('Done: unknown with its id; the repeat of the send request goes on waiting for the same call', async () => {
    const session = await fixture.open('O', { AnswerWhen: 'Done' });
    const attempt = fixture.attempt(A);
    const outcome = await fixture.turn(send(session, outboundFax('one'), attempt));
    const { id } = only();
    expect(outcome).toEqual({
      kind: 'unknown',
      ids: [id],
      detail: 'the call is still in progress: sending: the pages are on the line',
    });
    const asking = lookup(session, outboundFax('one'), fixture.attempt(A, 85_000, attempt.firstAttemptAt));
    await fixture.jump(10_000);
    await fixture.server.advance(id, 'delivered');
    expect(await fixture.turn(asking)).toMatchObject({ kind: 'sent', state: 'delivered', deliverySystemId: id });
    expect(sendRequests()).toHaveLength(1);
  });

  it('is polled again by a process that was started afterwards, and its document is deleted then', async () => {
    const session = await fixture.open('O');
    await fixture.turn(send(session, outboundFax('one'), fixture.attempt(A)));
    await fixture.turn(fixture.close(session));
    expect(fixture.clock.armed).toBe(0);
    await fixture.server.advance(only().id, 'delivered');
    await fixture.open('O');
    await fixture.waitFor('the final receipt', () => fixture.receipts.some(({ state }) => state === 'delivered'));
    await fixture.waitFor('no upload', () => fixture.server.account.media.size === 0);
    expect(await fixture.driverState.listRecords('sent', '', 10)).toEqual([]);
  });

  it('one that never ends is not polled any more after a day', async () => {
    const session = await fixture.open('O');
    await fixture.turn(send(session, outboundFax('one'), fixture.attempt(A)));
    const records = () => fixture.driverState.listRecords('sent', '', 1);
    await fixture.turn(
      waitFor('no tracked fax', async () => (await records()).length === 0),
      10 * 60_000,
    );
    expect(JSON.stringify(fixture.recorded.lines)).toContain('delivery state never became final');
  });

  it('the deadline ends the wait at once', async () => {
    const session = await fixture.open('O');
    const controller = new AbortController();
    const sending = send(session, outboundFax('one'), { ...fixture.attempt(A), signal: controller.signal });
    await fixture.waitFor('the request', () => sendRequests().length === 1 && fixture.clock.armed > 0);
    await fixture.quiet();
    controller.abort(new Error('over'));
    expect(await sending).toMatchObject({ kind: 'sent', state: 'accepted' });
  });
});

describe('a send request whose outcome is unknown', () => {
  it('accepted, and the answer lost: found by its mark and polled to its end', async () => {
    const session = await fixture.open('O');
    cutSendRequests('after');
    const attempt = fixture.attempt(A);
    expect(await fixture.turn(send(session, outboundFax('one'), attempt))).toMatchObject({ kind: 'unknown' });
    mend();
    expect(await fixture.turn(lookup(session, outboundFax('one'), attempt))).toMatchObject({
      kind: 'sent',
      deliverySystemId: only().id,
      state: 'delivered',
    });
    expect(fixture.server.account.media.size).toBe(0);
  });

  it('is not confused with another send request to the same number', async () => {
    const session = await fixture.open('O');
    await fixture.turn(send(session, outboundFax('one'), fixture.attempt(B)));
    cutSendRequests('before');
    const attempt = fixture.attempt(A);
    await fixture.turn(send(session, outboundFax('one'), attempt));
    mend();
    expect(await fixture.turn(lookup(session, outboundFax('one'), attempt))).toBe('not found');
  });

  it('not in the list: unknown while the request may still reach Telnyx, surely not accepted after that', async () => {
    const session = await fixture.open('O');
    cutSendRequests('before');
    const attempt = fixture.attempt(A);
    await fixture.turn(send(session, outboundFax('one'), attempt));
    mend();
    expect(await fixture.turn(lookup(session, outboundFax('one'), attempt))).toBe('not found');
    await fixture.jump(120_000);
    const again = fixture.attempt(A, 85_000, attempt.firstAttemptAt);
    expect(await fixture.turn(lookup(session, outboundFax('one'), again))).toMatchObject({ kind: 'deferred' });
  });

  it('the same after a restart, counted from the restart', async () => {
    const first = await fixture.open('O');
    cutSendRequests('before');
    const attempt = fixture.attempt(A);
    await fixture.turn(send(first, outboundFax('one'), attempt));
    await fixture.turn(fixture.close(first));
    mend();
    const session = await fixture.open('O');
    expect(await fixture.turn(lookup(session, outboundFax('one'), attempt))).toBe('not found');
    await fixture.jump(120_000);
    const again = fixture.attempt(A, 85_000, attempt.firstAttemptAt);
    expect(await fixture.turn(lookup(session, outboundFax('one'), again))).toMatchObject({ kind: 'deferred' });
  });

  it('a fax to the number that lost its mark: unknown, for ever', async () => {
    const session = await fixture.open('O');
    const attempt = fixture.attempt(A);
    const { number: from, connectionId, account } = fixture.server;
    const { to } = outboundFax('one');
    account.add({ direction: 'outbound', from, to, connectionId, createdAt: fixture.clock.now(), status: 'sending' });
    await fixture.jump(200_000);
    expect(await fixture.turn(lookup(session, outboundFax('one'), attempt))).toBe('not found');
  });

  it('the failure of an earlier attempt does not decide a later one', async () => {
    const session = await fixture.open('O');
    fixture.server.fate = () => [{ status: 'failed', reason: 'user_channel_limit_exceeded' }];
    const attempt = fixture.attempt(A);
    expect(await fixture.turn(send(session, outboundFax('one'), attempt))).toMatchObject({ kind: 'deferred' });
    await fixture.jump(15_000);
    cutSendRequests('before');
    expect(await fixture.turn(send(session, outboundFax('one'), attempt))).toMatchObject({ kind: 'unknown' });
    mend();
    expect(await fixture.turn(lookup(session, outboundFax('one'), attempt))).toBe('not found');
  });

  it('is found by a clock that is an hour wrong', async () => {
    await fixture.end();
    fixture = await startTelnyxFixture(-3_600_000);
    const session = await fixture.open('O');
    cutSendRequests('after');
    const attempt = fixture.attempt(A);
    await fixture.turn(send(session, outboundFax('one'), attempt));
    mend();
    expect(await fixture.turn(lookup(session, outboundFax('one'), attempt))).toMatchObject({ kind: 'sent' });
  });

  it('is found behind hundreds of other faxes', async () => {
    const session = await fixture.open('O');
    cutSendRequests('after');
    const attempt = fixture.attempt(A);
    await fixture.turn(send(session, outboundFax('one'), attempt));
    mend();
    const { number: from, connectionId, account } = fixture.server;
    for (let n = 0; n < 250; n++)
      account.add({
        direction: 'outbound',
        from,
        to: '+420111222333',
        connectionId,
        createdAt: fixture.clock.now() + n,
        status: 'sending',
      });
    expect(await fixture.turn(lookup(session, outboundFax('one'), attempt))).toMatchObject({ kind: 'sent' });
  });
});

describe('what Telnyx would reject anyway', () => {
  const refusals: [name: string, fax: object, words: RegExp][] = [
    ['a number without country code', { to: '222333444' }, /"222333444" is not a number with country code.*Region/],
    ['a document of more than 20 MB', { pdf: Buffer.alloc(20_500_000) }, /20\.5 MB; up to 20 MB/],
    ['a document of more than 350 pages', { pages: 351 }, /351 pages; up to 350/],
  ];
  for (const [name, fax, words] of refusals) {
    it(`${name} is rejected without a request`, async () => {
      const session = await fixture.open('O');
      const asked = fixture.server.requests.length;
      const outcome = await send(session, { ...outboundFax('one'), ...fax }, fixture.attempt());
      expect(outcome).toMatchObject({ kind: 'rejected', detail: expect.stringMatching(words) });
      expect(fixture.server.requests).toHaveLength(asked);
    });
  }

  it('a rejection is reported with code, title and detail, and the document does not stay behind', async () => {
    const session = await fixture.open('O');
    const refusal = { is: 'refuse', status: 422, code: '10015', title: 'Bad Request', detail: "'to' is odd" } as const;
    fixture.server.trouble = (request) => (isSendRequest(request) ? refusal : undefined);
    const outcome = await fixture.turn(send(session, outboundFax('one'), fixture.attempt()));
    expect(outcome).toEqual({ kind: 'rejected', detail: "Telnyx answered 422 10015 Bad Request: 'to' is odd" });
    expect(fixture.server.account.media.size).toBe(0);
  });

  it('a redirect gets neither fax nor key', async () => {
    const session = await fixture.open('O');
    const other = await startTelnyx();
    const away = { is: 'babble', status: 307, body: '', headers: { location: `${other.url}/faxes` } } as const;
    fixture.server.trouble = (request) => (isSendRequest(request) ? away : undefined);
    const outcome = await fixture.turn(send(session, outboundFax('one'), fixture.attempt()));
    expect(outcome).toEqual({ kind: 'deferred', detail: 'Telnyx answered 307' });
    expect(other.requests).toEqual([]);
    await other.close();
  });

  it('too many requests: deferred for as long as Retry-After asks for', async () => {
    const session = await fixture.open('O');
    const refusal = { is: 'refuse', status: 429, code: '10011', headers: { 'retry-after': '7' } } as const;
    fixture.server.trouble = (request) => (isSendRequest(request) ? refusal : undefined);
    const outcome = await fixture.turn(send(session, outboundFax('one'), fixture.attempt()));
    expect(outcome).toMatchObject({ kind: 'deferred', retryAfterMs: 7_000 });
  });
});

describe('a host that', () => {
  /** The upload goes to the fake server, the request for the fax to this address. */
  const toward = async (BaseUrl: string) => {
    const session = await fixture.open('O');
    const api = openApi({ settings: { ApiKey: 'key', BaseUrl }, clock: fixture.clock, network: openNetwork });
    return fixture.turn(send({ ...session, api }, outboundFax('one'), fixture.attempt()));
  };

  it('does not listen any more has surely not accepted a fax', async () => {
    const outcome = await toward(`http://127.0.0.1:${await freePort()}`);
    expect(outcome).toMatchObject({ kind: 'deferred', detail: expect.stringContaining('ECONNREFUSED') });
  });

  it('speaks no TLS has surely not accepted a fax either', async () => {
    const outcome = await toward(fixture.server.url.replace('http:', 'https:'));
    expect(outcome).toMatchObject({ kind: 'deferred' });
  });
});
