// What Telnyx pushes: genuine or not, in any order, more than once, at the same time, and while documents cannot be fetched.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WebhookResult } from '../../src/driver/contract.js';
import { outboundFax } from '../../test/conformance/fax-samples.js';
import { startTelnyx } from '../../test/servers/telnyx.js';
import type { Fax } from '../../test/servers/telnyx-account.js';
import { PDF, startTelnyxFixture, type TelnyxFixture } from '../../test/servers/telnyx-fixture.js';
import { send } from './send.js';
import type { Session } from './session.js';

let fixture: TelnyxFixture;
beforeEach(async () => {
  fixture = await startTelnyxFixture();
});
afterEach(() => fixture.end());

const inbound = () => fixture.open('I', { Webhook: true });
const about = (fax: Fax, type?: string) => fixture.server.signed(fixture.server.event(fax, type));
const fetches = () => fixture.server.requests.filter(({ path }) => path.startsWith('/store/'));
const keys = ({ messages = [] }: WebhookResult<never> | Awaited<ReturnType<TelnyxFixture['push']>>) =>
  messages.map(({ key }) => key);

describe('genuine or not', () => {
  const forgeries: [name: string, reason: string, forge: (fax: Fax) => Promise<ReturnType<typeof about>>][] = [
    [
      'without a signature',
      'forged',
      async (fax) => ({ ...about(fax), headers: { 'content-type': 'application/json' } }),
    ],
    [
      'with the signature of another account',
      'forged',
      async (fax) => {
        const other = await startTelnyx({ now: () => fixture.clock.now() });
        await other.close();
        return other.signed(fixture.server.event(fax));
      },
    ],
    [
      'with a body that was changed',
      'forged',
      async (fax) => {
        const { headers, body } = about(fax);
        return { headers, body: Buffer.from(body.toString().replace('+16132484850', '+16132484851')) };
      },
    ],
    [
      'with a time that was changed',
      'forged',
      async (fax) => {
        const { headers, body } = about(fax);
        return {
          headers: { ...headers, 'telnyx-timestamp': String(Math.floor(fixture.clock.now() / 1_000) + 1) },
          body,
        };
      },
    ],
    [
      'of six minutes ago',
      'stale',
      async (fax) => fixture.server.signed(fixture.server.event(fax), fixture.clock.now() - 360_000),
    ],
    [
      'that is no event of a fax',
      'malformed',
      async () => fixture.server.signed({ data: { event_type: 'fax.received' } }),
    ],
  ];
  for (const [name, reason, forge] of forgeries) {
    it(`one ${name} is rejected, counted, and changes nothing`, async () => {
      const session = await inbound();
      const result = await fixture.push(session, await forge(fixture.server.receive({ document: PDF })));
      expect(result.reply.status).toBe(reason === 'malformed' ? 400 : 403);
      expect(keys(result)).toEqual([]);
      expect(fixture.inputRejected).toEqual([reason]);
      expect(fetches()).toHaveLength(0);
    });
  }

  it('freshness goes by the clock of Telnyx, however wrong ours is', async () => {
    await fixture.end();
    fixture = await startTelnyxFixture(7 * 60_000);
    const session = await inbound();
    expect((await fixture.push(session, about(fixture.server.receive({ document: PDF })))).reply.status).toBe(200);
  });

  it('without Webhook every push is rejected', async () => {
    const session = await fixture.open('I');
    const pushed = await fixture.push(session, about(fixture.server.receive({ document: PDF })));
    expect(pushed).toMatchObject({ reply: { status: 404 }, otherDirection: true });
    // The other half may accept it.
    expect(fixture.inputRejected).toEqual([]);
  });
});

describe('received faxes', () => {
  it('a fax arrives with all values of the push', async () => {
    const session = await inbound();
    const fax = fixture.server.receive({ document: PDF, pages: 3, partial: true, callerId: '+16132484872' });
    const { reply, messages = [] } = await fixture.push(session, about(fax));
    expect(reply.status).toBe(200);
    expect(messages).toEqual([
      {
        key: `fax:${fax.id}`,
        fingerprint: '',
        content: expect.objectContaining({
          raw: PDF,
          pages: 3,
          problem: 'Telnyx received only a part of the document',
          facts: [
            { name: 'Duration', value: '0:50' },
            { name: 'Caller ID', value: '+16132484872' },
          ],
        }),
      },
    ]);
    expect(fetches()).toHaveLength(1);
  });

  it('pushed twice at the same time, the document is fetched once; pushed again later, it is not fetched at all', async () => {
    const session = await inbound();
    const fax = fixture.server.receive({ document: PDF });
    const [one, two] = await Promise.all([fixture.push(session, about(fax)), fixture.push(session, about(fax))]);
    expect(keys(one)).toEqual(keys(two));
    expect(fetches()).toHaveLength(1);
    for (const inboundMessage of one.messages ?? []) fixture.driverState.open(inboundMessage);
    expect(await fixture.push(session, about(fax))).toEqual({ reply: { status: 200 } });
    expect(fetches()).toHaveLength(1);
  });

  it('one that was pushed is not found again by polling, and one that was found is not received from a push', async () => {
    const session = await inbound();
    const receiving = fixture.receiving(session);
    const first = receiving.next();
    await fixture.jump(1_000);
    const pushed = fixture.server.receive({ document: PDF });
    for (const inboundMessage of (await fixture.push(session, about(pushed))).messages ?? [])
      fixture.driverState.open(inboundMessage);
    await fixture.jump(1_000);
    const listed = fixture.server.receive({ document: PDF });
    expect((await fixture.turn(first)).key).toBe(`fax:${listed.id}`);
    expect(keys(await fixture.push(session, about(listed)))).toEqual([]);
  });

  it('in any order: events before and after the fax itself are accepted and have no effect', async () => {
    const session = await inbound();
    const fax = fixture.server.receive({ document: PDF });
    const counts = [];
    for (const type of ['fax.media.processing.started', 'fax.received', 'fax.receiving.started'])
      counts.push(keys(await fixture.push(session, about(fax, type))).length);
    expect(counts).toEqual([0, 1, 0]);
  });

  it('a failed call is a line of the log and no inbound message', async () => {
    const session = await inbound();
    const fax = fixture.server.receive({ document: PDF, status: 'failed', reason: 'sender_call_dropped' });
    expect(await fixture.push(session, about(fax))).toEqual({ reply: { status: 200 } });
    expect(JSON.stringify(fixture.recorded.lines)).toContain('a fax from +16132484850 failed: sender_call_dropped');
  });

  it('an address that has passed by then is asked for afresh', async () => {
    const session = await inbound();
    const fax = fixture.server.receive({ document: PDF });
    fixture.server.expire(fax);
    expect(keys(await fixture.push(session, about(fax)))).toEqual([`fax:${fax.id}`]);
  });

  it('a document that cannot be fetched: the push fails, and polling finds the fax at once, with the details of the push', async () => {
    const session = await inbound();
    const first = fixture.receiving(session).next();
    await fixture.waitFor('the first start', () => fixture.driverState.checkpoints.size > 0);
    await fixture.quiet();
    fixture.server.trouble = ({ path }) => (path.startsWith('/store/') ? { is: 'refuse', status: 503 } : undefined);
    const fax = fixture.server.receive({ document: PDF, pages: 3 });
    await expect(fixture.push(session, about(fax))).rejects.toThrow('answered HTTP 503');
    fixture.server.trouble = () => undefined;
    // The clock stands still: this poll was not due.
    const { key, content } = await first;
    expect(key).toBe(`fax:${fax.id}`);
    expect(content?.pages).toBe(3);
  });

  it('one to another number of the application is left to its own gateway', async () => {
    const session = await inbound();
    const fax = fixture.server.receive({ document: PDF, to: '+13125790099' });
    expect(await fixture.push(session, about(fax))).toEqual({ reply: { status: 200 } });
    expect(fixture.inputRejected).toEqual(['unknown_number']);
  });

  it('a gateway that only sends does not accept it', async () => {
    const session = await fixture.open('O', { Webhook: true });
    expect((await fixture.push(session, about(fixture.server.receive({ document: PDF })))).reply.status).toBe(404);
  });
});

describe('progress of sent faxes', () => {
  const sent = async (session: Session): Promise<Fax> => {
    fixture.server.fate = () => [];
    await fixture.turn(
      send(session, outboundFax('one'), fixture.attempt('99999999-0000-4000-8000-00000000000a', 4_000)),
    );
    const [fax] = fixture.server.account.faxes;
    if (!fax) throw new Error('nothing was sent');
    return fax;
  };
  const pushed = async (session: Session, fax: Fax, status: string, more: Partial<Fax> = {}) => {
    Object.assign(fax, { status, ...more });
    const { receipts = [] } = await fixture.push(session, about(fax));
    return receipts.map(({ state, detail, progress = false }) => [state, detail, progress]);
  };

  it('each progress is reported once, late ones are not, and the end is reported with pages and time', async () => {
    const session = await fixture.open('O', { Webhook: true });
    const fax = await sent(session);
    const sending = ['accepted', 'sending: the pages are on the line', true];
    expect(await pushed(session, fax, 'sending')).toEqual([sending]);
    expect(await pushed(session, fax, 'sending')).toEqual([]);
    expect(await pushed(session, fax, 'media.processed')).toEqual([]);
    const end = ['delivered', '2 pages, 0:25', false];
    expect(await pushed(session, fax, 'delivered', { pages: 2, seconds: 25 })).toEqual([end]);
    // The journal may not have had it the first time.
    expect(await pushed(session, fax, 'delivered')).toEqual([end]);
    await fixture.waitFor('no upload', () => fixture.server.account.media.size === 0);
  });

  it('a send that waits gets it at once, and reports it itself', async () => {
    fixture.server.fate = () => [];
    const session = await fixture.open('O', { Webhook: true });
    const notes: string[] = [];
    const note = (detail: string) => void notes.push(detail);
    const sending = send(session, outboundFax('one'), { ...fixture.attempt(), note });
    await fixture.waitFor('a pending send', () => session.pending.size === 1);
    await fixture.quiet();
    const [fax] = fixture.server.account.faxes;
    expect(fax && (await pushed(session, fax, 'sending'))).toEqual([]);
    expect(fax && (await pushed(session, fax, 'failed', { failureReason: 'user_busy' }))).toEqual([]);
    expect(notes).toEqual(['sending: the pages are on the line']);
    // The clock stands still: no poll was due.
    expect(await sending).toEqual({ kind: 'rejected', detail: 'failed user_busy: the number is busy' });
  });

  it('the inbound half of the same gateway leaves them to the outbound half', async () => {
    const fax = await sent(await fixture.open('O', { Webhook: true }));
    expect(await fixture.push(await inbound(), about(fax))).toEqual({ reply: { status: 200 }, otherDirection: true });
    expect(await fixture.push(await fixture.open('I'), about(fax))).toMatchObject({
      reply: { status: 404 },
      otherDirection: true,
    });
  });

  it('faxes that others sent through the account are none of ours', async () => {
    const session = await fixture.open('O', { Webhook: true });
    const { connectionId, number: from, account } = fixture.server;
    const facts = { from, to: '+420777123456', connectionId, createdAt: fixture.clock.now() };
    for (const clientState of [null, Buffer.from('theirs').toString('base64'), markOfAnother()]) {
      const fax = account.add({ direction: 'outbound', status: 'delivered', ...facts, clientState });
      expect(await fixture.push(session, about(fax))).toEqual({ reply: { status: 200 } });
    }
  });
});

function markOfAnother(): string {
  return Buffer.from('gatepost 99999999-2222-4333-8444-555555555555 order ref').toString('base64');
}
