import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { outboundFax } from '../../test/conformance/fax-words.js';
import { freePort } from '../../test/servers/process.js';
import { type ApiRequest, startTelnyx } from '../../test/servers/telnyx.js';
import type { Fax } from '../../test/servers/telnyx-account.js';
import { GATEWAY, startTelnyxBed, type TelnyxBed } from '../../test/servers/telnyx-bed.js';
import { openApi } from './api.js';
import { lookup, send } from './send.js';

const A = '99999999-0000-4000-8000-00000000000a';
const B = '99999999-0000-4000-8000-00000000000b';
const isSendRequest = ({ method, path }: ApiRequest) => method === 'POST' && path === '/faxes';

let bed: TelnyxBed;
beforeEach(async () => {
  bed = await startTelnyxBed();
});
afterEach(() => bed.end());

const only = (): Fax => {
  const [sent, ...more] = bed.server.account.faxes.filter(({ direction }) => direction === 'outbound');
  if (!sent || more.length > 0) throw new Error(`${more.length + (sent ? 1 : 0)} faxes were sent instead of one`);
  return sent;
};
const sendRequests = () => bed.server.requests.filter(isSendRequest);
const json = (request: ApiRequest | undefined): Record<string, string> => JSON.parse(String(request?.body));
const cutSendRequests = (when: 'before' | 'after') => {
  bed.server.trouble = (request) => (isSendRequest(request) ? { is: 'cut', when } : undefined);
};
const mend = () => {
  bed.server.trouble = () => undefined;
};

describe('a call that ends in time', () => {
  it('delivered: sent, with pages and time, the document as it was, and nothing left at Telnyx', async () => {
    const session = await bed.open('O', { Webhook: true, Resolution: 'Superfine' });
    const fax = outboundFax('one');
    bed.server.fate = () => ['media.processed', 'sending'];
    const sending = send(session, fax, bed.attempt(A));
    await bed.fact(() => bed.server.account.faxes.some(({ status }) => status === 'sending'));
    expect(bed.server.account.media.size).toBe(1);
    Object.assign(only(), { status: 'delivered', pages: 2, seconds: 65, updatedAt: bed.clock.now() });
    // What a webhook adds: pages and seconds are not in the answers of the API.
    await bed.push(session, bed.server.signed(bed.server.event(only())));
    const outcome = await bed.turn(sending);
    const { id, document } = only();
    expect(outcome).toEqual({
      kind: 'sent',
      deliverySystemId: id,
      ids: [id],
      state: 'delivered',
      detail: 'delivered, 2 pages, 1:05',
    });
    expect(document?.equals(Buffer.from(fax.pdf))).toBe(true);
    expect(bed.server.account.media.size).toBe(0);
    expect(await bed.driverState.listRecords('sent', '', 10)).toEqual([]);
    const { client_state, ...sendRequest } = json(sendRequests()[0]);
    expect(sendRequest).toEqual({
      connection_id: bed.server.connectionId,
      from: bed.server.number,
      to: fax.to,
      quality: 'very_high',
      media_name: expect.any(String),
      webhook_url: expect.stringContaining(GATEWAY),
    });
    expect(Buffer.from(client_state ?? '', 'base64').toString()).toBe(`gatepost ${GATEWAY} ${A} ${fax.reference}`);
  });

  const failures: [reason: string, kind: string, words: RegExp][] = [
    ['user_busy', 'rejected', /^failed user_busy: the number is busy$/],
    ['receiver_no_answer', 'rejected', /^failed receiver_no_answer: nobody answered$/],
    ['a_brand_new_reason', 'rejected', /^failed a_brand_new_reason$/],
    ['user_channel_limit_exceeded', 'deferred', /no free line/],
  ];
  for (const [reason, kind, words] of failures) {
    it(`failed for ${reason}: ${kind}, in Telnyx's own words and what they mean`, async () => {
      const session = await bed.open('O');
      bed.server.fate = () => ['sending', { status: 'failed', reason }];
      expect(await bed.turn(send(session, outboundFax('one'), bed.attempt()))).toMatchObject({
        kind,
        detail: expect.stringMatching(words),
      });
      expect(bed.server.account.media.size).toBe(0);
    });
  }

  it('every step on the way is noted, once, and told nowhere else', async () => {
    const session = await bed.open('O');
    bed.server.fate = () => ['media.processed'];
    const notes: string[] = [];
    const note = (detail: string) => void notes.push(detail);
    const sending = send(session, outboundFax('one'), { ...bed.attempt(A), note });
    await bed.fact(() => notes.length === 1);
    await bed.jump(10_000);
    await bed.server.advance(only().id, 'sending');
    await bed.fact(() => notes.length === 2);
    await bed.server.advance(only().id, 'delivered');
    expect(await bed.turn(sending)).toMatchObject({ kind: 'sent', state: 'delivered' });
    expect(notes).toEqual(['media.processed: the pages are ready', 'sending: the pages are on the line']);
    expect(bed.receipts).toEqual([]);
  });

  it('is answered in time, however long Telnyx takes to delete the document', async () => {
    const session = await bed.open('O');
    const isDelete = ({ method }: ApiRequest) => method === 'DELETE';
    bed.server.trouble = (request) => (isDelete(request) ? { is: 'hang', taken: false } : undefined);
    const controller = new AbortController();
    const sending = send(session, outboundFax('one'), { ...bed.attempt(A), signal: controller.signal });
    await bed.fact(() => bed.server.account.faxes.some(({ status }) => status === 'delivered'));
    const asked = bed.server.until(isDelete);
    await bed.jump(1_000);
    await asked;
    controller.abort(new Error('over'));
    expect(await sending).toMatchObject({ kind: 'sent', state: 'delivered' });
  });

  it('said to be delivered with 0 pages: not sent', async () => {
    const session = await bed.open('O', { Webhook: true });
    bed.server.fate = () => ['sending'];
    const sending = send(session, outboundFax('one'), bed.attempt());
    await bed.fact(() => bed.server.account.faxes.some(({ status }) => status === 'sending'));
    Object.assign(only(), { status: 'delivered', pages: 0 });
    await bed.push(session, bed.server.signed(bed.server.event(only())));
    expect(await bed.turn(sending)).toMatchObject({ kind: 'rejected', detail: expect.stringContaining('0 pages') });
  });
});

describe('a call that takes longer than the answer', () => {
  beforeEach(() => {
    bed.server.fate = () => ['media.processed', 'sending'];
  });

  it('Accepted: sent, accepted for transmission; its progress and its end are told later, once', async () => {
    const session = await bed.open('O');
    bed.server.fate = () => ['media.processed'];
    const outcome = await bed.turn(send(session, outboundFax('one'), bed.attempt(A)));
    const { id } = only();
    expect(outcome).toMatchObject({ kind: 'sent', state: 'accepted', ids: [id] });
    expect(outcome).toMatchObject({ detail: 'accepted for transmission; media.processed: the pages are ready' });
    expect(bed.receipts).toEqual([]);
    await bed.server.advance(id, 'sending');
    await bed.fact(() => bed.receipts.length > 0);
    await bed.jump(60_000);
    expect(bed.server.account.media.size).toBe(1);
    await bed.server.advance(id, 'failed', { reason: 'receiver_call_dropped' });
    await bed.fact(() => bed.receipts.length > 1);
    await bed.jump(600_000);
    await bed.quiet();
    const words = 'sending: the pages are on the line';
    expect(bed.receipts).toEqual([
      { id, state: 'accepted', progress: true, at: expect.any(Number), detail: words },
      {
        id,
        state: 'undelivered',
        at: expect.any(Number),
        detail: 'receiver_call_dropped: the other side hung up',
      },
    ]);
    expect(bed.server.account.media.size).toBe(0);
  });

  it('Done: unknown with its id; the repeat of the send request goes on waiting for the same call', async () => {
    const session = await bed.open('O', { AnswerWhen: 'Done' });
    const attempt = bed.attempt(A);
    const outcome = await bed.turn(send(session, outboundFax('one'), attempt));
    const { id } = only();
    expect(outcome).toEqual({
      kind: 'unknown',
      ids: [id],
      detail: 'the call is still under way: sending: the pages are on the line',
    });
    const asking = lookup(session, outboundFax('one'), bed.attempt(A, 85_000, attempt.firstAttemptAt));
    await bed.jump(10_000);
    await bed.server.advance(id, 'delivered');
    expect(await bed.turn(asking)).toMatchObject({ kind: 'sent', state: 'delivered', deliverySystemId: id });
    expect(sendRequests()).toHaveLength(1);
  });

  it('is followed again by a process that was started afterwards, and its document is taken away then', async () => {
    const session = await bed.open('O');
    await bed.turn(send(session, outboundFax('one'), bed.attempt(A)));
    await bed.turn(bed.close(session));
    expect(bed.clock.armed).toBe(0);
    await bed.server.advance(only().id, 'delivered');
    await bed.open('O');
    await bed.fact(() => bed.receipts.some(({ state }) => state === 'delivered'));
    await bed.fact(() => bed.server.account.media.size === 0);
    expect(await bed.driverState.listRecords('sent', '', 10)).toEqual([]);
  });

  it('one that never ends is given up after a day', async () => {
    const session = await bed.open('O');
    await bed.turn(send(session, outboundFax('one'), bed.attempt(A)));
    await bed.turn(
      (async () => {
        while ((await bed.driverState.listRecords('sent', '', 1)).length > 0)
          await new Promise((resolve) => setImmediate(resolve));
      })(),
      10 * 60_000,
    );
    expect(JSON.stringify(bed.said.lines)).toContain('had no end for a day');
  });

  it('the end of the time ends the wait at once', async () => {
    const session = await bed.open('O');
    const controller = new AbortController();
    const sending = send(session, outboundFax('one'), { ...bed.attempt(A), signal: controller.signal });
    await bed.fact(() => sendRequests().length === 1 && bed.clock.armed > 0);
    await bed.quiet();
    controller.abort(new Error('over'));
    expect(await sending).toMatchObject({ kind: 'sent', state: 'accepted' });
  });
});

describe('a send request that is in doubt', () => {
  it('taken, and the answer lost: found by its mark and followed to its end', async () => {
    const session = await bed.open('O');
    cutSendRequests('after');
    const attempt = bed.attempt(A);
    expect(await bed.turn(send(session, outboundFax('one'), attempt))).toMatchObject({ kind: 'unknown' });
    mend();
    expect(await bed.turn(lookup(session, outboundFax('one'), attempt))).toMatchObject({
      kind: 'sent',
      deliverySystemId: only().id,
      state: 'delivered',
    });
    expect(bed.server.account.media.size).toBe(0);
  });

  it('is not mixed up with another order to the same number', async () => {
    const session = await bed.open('O');
    await bed.turn(send(session, outboundFax('one'), bed.attempt(B)));
    cutSendRequests('before');
    const attempt = bed.attempt(A);
    await bed.turn(send(session, outboundFax('one'), attempt));
    mend();
    expect(await bed.turn(lookup(session, outboundFax('one'), attempt))).toBe('not found');
  });

  it('not in the list: no telling while it may still be on its way, surely never taken after that', async () => {
    const session = await bed.open('O');
    cutSendRequests('before');
    const attempt = bed.attempt(A);
    await bed.turn(send(session, outboundFax('one'), attempt));
    mend();
    expect(await bed.turn(lookup(session, outboundFax('one'), attempt))).toBe('not found');
    await bed.jump(120_000);
    const again = bed.attempt(A, 85_000, attempt.firstAttemptAt);
    expect(await bed.turn(lookup(session, outboundFax('one'), again))).toMatchObject({ kind: 'deferred' });
  });

  it('the same after a restart, counted from the restart', async () => {
    const first = await bed.open('O');
    cutSendRequests('before');
    const attempt = bed.attempt(A);
    await bed.turn(send(first, outboundFax('one'), attempt));
    await bed.turn(bed.close(first));
    mend();
    const session = await bed.open('O');
    expect(await bed.turn(lookup(session, outboundFax('one'), attempt))).toBe('not found');
    await bed.jump(120_000);
    const again = bed.attempt(A, 85_000, attempt.firstAttemptAt);
    expect(await bed.turn(lookup(session, outboundFax('one'), again))).toMatchObject({ kind: 'deferred' });
  });

  it('a fax to the number that lost its mark: no telling, ever', async () => {
    const session = await bed.open('O');
    const attempt = bed.attempt(A);
    const { number: from, connectionId, account } = bed.server;
    const { to } = outboundFax('one');
    account.add({ direction: 'outbound', from, to, connectionId, createdAt: bed.clock.now(), status: 'sending' });
    await bed.jump(200_000);
    expect(await bed.turn(lookup(session, outboundFax('one'), attempt))).toBe('not found');
  });

  it('the failure of an earlier try says nothing about a later one', async () => {
    const session = await bed.open('O');
    bed.server.fate = () => [{ status: 'failed', reason: 'user_channel_limit_exceeded' }];
    const attempt = bed.attempt(A);
    expect(await bed.turn(send(session, outboundFax('one'), attempt))).toMatchObject({ kind: 'deferred' });
    await bed.jump(15_000);
    cutSendRequests('before');
    expect(await bed.turn(send(session, outboundFax('one'), attempt))).toMatchObject({ kind: 'unknown' });
    mend();
    expect(await bed.turn(lookup(session, outboundFax('one'), attempt))).toBe('not found');
  });

  it('is found by a clock that is an hour wrong', async () => {
    await bed.end();
    bed = await startTelnyxBed(-3_600_000);
    const session = await bed.open('O');
    cutSendRequests('after');
    const attempt = bed.attempt(A);
    await bed.turn(send(session, outboundFax('one'), attempt));
    mend();
    expect(await bed.turn(lookup(session, outboundFax('one'), attempt))).toMatchObject({ kind: 'sent' });
  });

  it('is found behind hundreds of other faxes', async () => {
    const session = await bed.open('O');
    cutSendRequests('after');
    const attempt = bed.attempt(A);
    await bed.turn(send(session, outboundFax('one'), attempt));
    mend();
    const { number: from, connectionId, account } = bed.server;
    for (let n = 0; n < 250; n++)
      account.add({
        direction: 'outbound',
        from,
        to: '+420111222333',
        connectionId,
        createdAt: bed.clock.now() + n,
        status: 'sending',
      });
    expect(await bed.turn(lookup(session, outboundFax('one'), attempt))).toMatchObject({ kind: 'sent' });
  });
});

describe('what Telnyx would refuse anyway', () => {
  const refusals: [name: string, fax: object, words: RegExp][] = [
    ['a number without country code', { to: '222333444' }, /"222333444" is not a number with country code.*Region/],
    ['a document of more than 20 MB', { pdf: Buffer.alloc(20_500_000) }, /20\.5 MB; up to 20 MB/],
    ['a document of more than 350 pages', { pages: 351 }, /351 pages; up to 350/],
  ];
  for (const [name, fax, words] of refusals) {
    it(`${name} is refused without asking`, async () => {
      const session = await bed.open('O');
      const asked = bed.server.requests.length;
      const outcome = await send(session, { ...outboundFax('one'), ...fax }, bed.attempt());
      expect(outcome).toMatchObject({ kind: 'rejected', detail: expect.stringMatching(words) });
      expect(bed.server.requests).toHaveLength(asked);
    });
  }

  it('a refusal is told with code, title and detail, and the document does not stay behind', async () => {
    const session = await bed.open('O');
    const refusal = { is: 'refuse', status: 422, code: '10015', title: 'Bad Request', detail: "'to' is odd" } as const;
    bed.server.trouble = (request) => (isSendRequest(request) ? refusal : undefined);
    const outcome = await bed.turn(send(session, outboundFax('one'), bed.attempt()));
    expect(outcome).toEqual({ kind: 'rejected', detail: "Telnyx answered 422 10015 Bad Request: 'to' is odd" });
    expect(bed.server.account.media.size).toBe(0);
  });

  it('whoever sends us elsewhere gets neither fax nor key', async () => {
    const session = await bed.open('O');
    const other = await startTelnyx();
    const away = { is: 'babble', status: 307, body: '', headers: { location: `${other.url}/faxes` } } as const;
    bed.server.trouble = (request) => (isSendRequest(request) ? away : undefined);
    const outcome = await bed.turn(send(session, outboundFax('one'), bed.attempt()));
    expect(outcome).toEqual({ kind: 'deferred', detail: 'Telnyx answered 307' });
    expect(other.requests).toEqual([]);
    await other.close();
  });

  it('too many requests: put off for as long as Retry-After asks for', async () => {
    const session = await bed.open('O');
    const refusal = { is: 'refuse', status: 429, code: '10011', headers: { 'retry-after': '7' } } as const;
    bed.server.trouble = (request) => (isSendRequest(request) ? refusal : undefined);
    const outcome = await bed.turn(send(session, outboundFax('one'), bed.attempt()));
    expect(outcome).toMatchObject({ kind: 'deferred', retryAfterMs: 7_000 });
  });
});

describe('a host that', () => {
  /** As if this befell it after the upload, which still goes to the stand-in. */
  const toward = async (BaseUrl: string) => {
    const session = await bed.open('O');
    const api = openApi({ ApiKey: 'key', BaseUrl }, bed.clock);
    return bed.turn(send({ ...session, api }, outboundFax('one'), bed.attempt()));
  };

  it('does not listen any more has surely not taken a fax', async () => {
    const outcome = await toward(`http://127.0.0.1:${await freePort()}`);
    expect(outcome).toMatchObject({ kind: 'deferred', detail: expect.stringContaining('ECONNREFUSED') });
  });

  it('speaks no TLS has surely not taken one either', async () => {
    const outcome = await toward(bed.server.url.replace('http:', 'https:'));
    expect(outcome).toMatchObject({ kind: 'deferred' });
  });
});
