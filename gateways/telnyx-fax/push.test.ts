// What Telnyx pushes: genuine or not, in any order, more than once, at the same time, and while documents are not to be had.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WebhookResult } from '../../src/driver/contract.js';
import { outboundFax } from '../../test/conformance/fax-words.js';
import { startTelnyx } from '../../test/servers/telnyx.js';
import type { Fax } from '../../test/servers/telnyx-account.js';
import { PDF, startTelnyxBed, type TelnyxBed } from '../../test/servers/telnyx-bed.js';
import { send } from './send.js';
import type { Session } from './session.js';

let bed: TelnyxBed;
beforeEach(async () => {
  bed = await startTelnyxBed();
});
afterEach(() => bed.end());

const inbound = () => bed.open('I', { Webhook: true });
const about = (fax: Fax, type?: string) => bed.server.signed(bed.server.event(fax, type));
const fetches = () => bed.server.requests.filter(({ path }) => path.startsWith('/store/'));
const keys = ({ messages = [] }: WebhookResult<never> | Awaited<ReturnType<TelnyxBed['push']>>) =>
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
        const other = await startTelnyx({ now: () => bed.clock.now() });
        await other.close();
        return other.signed(bed.server.event(fax));
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
        return { headers: { ...headers, 'telnyx-timestamp': String(Math.floor(bed.clock.now() / 1_000) + 1) }, body };
      },
    ],
    ['of six minutes ago', 'stale', async (fax) => bed.server.signed(bed.server.event(fax), bed.clock.now() - 360_000)],
    ['that is no event of a fax', 'malformed', async () => bed.server.signed({ data: { event_type: 'fax.received' } })],
  ];
  for (const [name, reason, forge] of forgeries) {
    it(`one ${name} is refused, counted, and changes nothing`, async () => {
      const session = await inbound();
      const result = await bed.push(session, await forge(bed.server.receive({ document: PDF })));
      expect(result.reply.status).toBe(reason === 'malformed' ? 400 : 403);
      expect(keys(result)).toEqual([]);
      expect(bed.inputRejected).toEqual([reason]);
      expect(fetches()).toHaveLength(0);
    });
  }

  it('freshness goes by the clock of Telnyx, however wrong ours is', async () => {
    await bed.end();
    bed = await startTelnyxBed(7 * 60_000);
    const session = await inbound();
    expect((await bed.push(session, about(bed.server.receive({ document: PDF })))).reply.status).toBe(200);
  });

  it('without Webhook nothing is taken', async () => {
    const session = await bed.open('I');
    const pushed = await bed.push(session, about(bed.server.receive({ document: PDF })));
    expect(pushed).toMatchObject({ reply: { status: 404 }, elsewhere: true });
    // The other half may take it.
    expect(bed.inputRejected).toEqual([]);
  });
});

describe('received faxes', () => {
  it('one arrives with all that the push says of it', async () => {
    const session = await inbound();
    const fax = bed.server.receive({ document: PDF, pages: 3, partial: true, callerId: '+16132484872' });
    const { reply, messages = [] } = await bed.push(session, about(fax));
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
    const fax = bed.server.receive({ document: PDF });
    const [one, two] = await Promise.all([bed.push(session, about(fax)), bed.push(session, about(fax))]);
    expect(keys(one)).toEqual(keys(two));
    expect(fetches()).toHaveLength(1);
    for (const inboundMessage of one.messages ?? []) bed.driverState.open(inboundMessage);
    expect(await bed.push(session, about(fax))).toEqual({ reply: { status: 200 } });
    expect(fetches()).toHaveLength(1);
  });

  it('one that was pushed is not found again by looking, and one that was found is not taken from a push', async () => {
    const session = await inbound();
    const receiving = bed.receiving(session);
    const first = receiving.next();
    await bed.jump(1_000);
    const pushed = bed.server.receive({ document: PDF });
    for (const inboundMessage of (await bed.push(session, about(pushed))).messages ?? [])
      bed.driverState.open(inboundMessage);
    await bed.jump(1_000);
    const listed = bed.server.receive({ document: PDF });
    expect((await bed.turn(first)).key).toBe(`fax:${listed.id}`);
    expect(keys(await bed.push(session, about(listed)))).toEqual([]);
  });

  it('in any order: what comes before and after the fax itself is taken and says nothing', async () => {
    const session = await inbound();
    const fax = bed.server.receive({ document: PDF });
    const said = [];
    for (const type of ['fax.media.processing.started', 'fax.received', 'fax.receiving.started'])
      said.push(keys(await bed.push(session, about(fax, type))).length);
    expect(said).toEqual([0, 1, 0]);
  });

  it('a failed call is a line of the log and no inbound message', async () => {
    const session = await inbound();
    const fax = bed.server.receive({ document: PDF, status: 'failed', reason: 'sender_call_dropped' });
    expect(await bed.push(session, about(fax))).toEqual({ reply: { status: 200 } });
    expect(JSON.stringify(bed.said.lines)).toContain('a fax from +16132484850 failed: sender_call_dropped');
  });

  it('an address that has passed by then is asked for afresh', async () => {
    const session = await inbound();
    const fax = bed.server.receive({ document: PDF });
    bed.server.expire(fax);
    expect(keys(await bed.push(session, about(fax)))).toEqual([`fax:${fax.id}`]);
  });

  it('a document that is not to be had: not taken, and looked for at once, with what the push said', async () => {
    const session = await inbound();
    const first = bed.receiving(session).next();
    await bed.fact(() => bed.driverState.checkpoints.size > 0);
    await bed.quiet();
    bed.server.trouble = ({ path }) => (path.startsWith('/store/') ? { is: 'refuse', status: 503 } : undefined);
    const fax = bed.server.receive({ document: PDF, pages: 3 });
    await expect(bed.push(session, about(fax))).rejects.toThrow('the store answered 503');
    bed.server.trouble = () => undefined;
    // The clock stands still: this look was not due.
    const { key, content } = await first;
    expect(key).toBe(`fax:${fax.id}`);
    expect(content?.pages).toBe(3);
  });

  it('one to another number of the application is for its own gateway to look for', async () => {
    const session = await inbound();
    const fax = bed.server.receive({ document: PDF, to: '+13125790099' });
    expect(await bed.push(session, about(fax))).toEqual({ reply: { status: 200 } });
    expect(bed.inputRejected).toEqual(['unknown_number']);
  });

  it('a gateway that only sends does not say "taken"', async () => {
    const session = await bed.open('O', { Webhook: true });
    expect((await bed.push(session, about(bed.server.receive({ document: PDF })))).reply.status).toBe(404);
  });
});

describe('progress of sent faxes', () => {
  const sent = async (session: Session): Promise<Fax> => {
    bed.server.fate = () => [];
    await bed.turn(send(session, outboundFax('one'), bed.attempt('99999999-0000-4000-8000-00000000000a', 4_000)));
    const [fax] = bed.server.account.faxes;
    if (!fax) throw new Error('nothing was sent');
    return fax;
  };
  const told = async (session: Session, fax: Fax, status: string, more: Partial<Fax> = {}) => {
    Object.assign(fax, { status, ...more });
    const { receipts = [] } = await bed.push(session, about(fax));
    return receipts.map(({ state, detail, progress = false }) => [state, detail, progress]);
  };

  it('each step is told once, latecomers are not, and the end is told with pages and time', async () => {
    const session = await bed.open('O', { Webhook: true });
    const fax = await sent(session);
    const sending = ['accepted', 'sending: the pages are on the line', true];
    expect(await told(session, fax, 'sending')).toEqual([sending]);
    expect(await told(session, fax, 'sending')).toEqual([]);
    expect(await told(session, fax, 'media.processed')).toEqual([]);
    const end = ['delivered', '2 pages, 0:25', false];
    expect(await told(session, fax, 'delivered', { pages: 2, seconds: 25 })).toEqual([end]);
    // The journal may not have had it the first time.
    expect(await told(session, fax, 'delivered')).toEqual([end]);
    await bed.fact(() => bed.server.account.media.size === 0);
  });

  it('a send that is waiting hears it at once, and tells it as its own', async () => {
    bed.server.fate = () => [];
    const session = await bed.open('O', { Webhook: true });
    const notes: string[] = [];
    const note = (detail: string) => void notes.push(detail);
    const sending = send(session, outboundFax('one'), { ...bed.attempt(), note });
    await bed.fact(() => session.watchers.size === 1);
    await bed.quiet();
    const [fax] = bed.server.account.faxes;
    expect(fax && (await told(session, fax, 'sending'))).toEqual([]);
    expect(fax && (await told(session, fax, 'failed', { failureReason: 'user_busy' }))).toEqual([]);
    expect(notes).toEqual(['sending: the pages are on the line']);
    // The clock stands still: nobody has asked.
    expect(await sending).toEqual({ kind: 'rejected', detail: 'failed user_busy: the number is busy' });
  });

  it('the receiving half of the same gateway leaves them to the half that sends', async () => {
    const fax = await sent(await bed.open('O', { Webhook: true }));
    expect(await bed.push(await inbound(), about(fax))).toEqual({ reply: { status: 200 }, elsewhere: true });
    expect(await bed.push(await bed.open('I'), about(fax))).toMatchObject({ reply: { status: 404 }, elsewhere: true });
  });

  it('faxes that others sent through the account are none of ours', async () => {
    const session = await bed.open('O', { Webhook: true });
    const { connectionId, number: from, account } = bed.server;
    const facts = { from, to: '+420777123456', connectionId, createdAt: bed.clock.now() };
    for (const clientState of [null, Buffer.from('theirs').toString('base64'), markOfAnother()]) {
      const fax = account.add({ direction: 'outbound', status: 'delivered', ...facts, clientState });
      expect(await bed.push(session, about(fax))).toEqual({ reply: { status: 200 } });
    }
  });
});

function markOfAnother(): string {
  return Buffer.from('gatepost 99999999-2222-4333-8444-555555555555 order ref').toString('base64');
}
