// The real protocol server and scheduler of HylaFAX, without modems: what lies in its queues is put there by hand.

import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type ComposedFax,
  type DeliveryReceipt,
  type FaxDocument,
  type InboundMessage,
  messageOf,
} from '../../src/driver/contract.js';
import { openNetwork } from '../../src/driver/network.js';
import { systemClock } from '../../src/kit/clock.js';
import { attemptOf, contextOf } from '../../test/conformance/context.js';
import { faxSamples, outboundFax } from '../../test/conformance/fax-samples.js';
import { createDriverState } from '../../test/fixtures/driver-state.js';
import { type ManualClock, manualClock } from '../../test/fixtures/manual-clock.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { type Hylafax, startHylafax, whyNoHylafax } from '../../test/servers/hylafax.js';
import { hylaFax } from './driver.js';
import { openClient } from './hfaxd-client.js';
import type { Session } from './session.js';

const why = whyNoHylafax();
const TIFF = faxSamples.offered('page').raw;

describe.runIf(!why)(`a real hfaxd${why ? ` (skipped: ${why})` : ''}`, () => {
  let server: Hylafax;
  let testNumber = 0;
  const closers: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    server = await startHylafax();
  });
  afterAll(() => server?.close());
  beforeEach(() => {
    testNumber += 1;
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
    for (const file of server.received()) rmSync(join(server.spool, 'recvq', file));
  });

  const settings = () => {
    const { port, user, password, adminPassword } = server;
    return {
      Host: '127.0.0.1',
      Port: port,
      User: user,
      Password: password,
      AdminPassword: adminPassword,
      PollSeconds: 1,
    };
  };
  const open = async (direction: 'I' | 'O', also: object = {}, options: { clock?: ManualClock } = {}) => {
    const driverState = createDriverState();
    const receipts: DeliveryReceipt[] = [];
    const context = contextOf(hylaFax, { ...settings(), ...also }, { direction, driverState, receipts, ...options });
    const session = await hylaFax.open(context);
    closers.push(() => hylaFax.close(session));
    return { session, driverState, receipts };
  };
  const receiving = (session: Session) => {
    const stop = new AbortController();
    closers.push(async () => stop.abort());
    const messages = hylaFax.receive?.(session, stop.signal)[Symbol.asyncIterator]();
    return async (): Promise<InboundMessage<FaxDocument>> => (await messages?.next())?.value;
  };
  const operator = () =>
    openClient({ settings: { ...settings() }, clock: systemClock, network: openNetwork }, new AbortController().signal);
  const check = async (direction: 'I' | 'O', also: object = {}) => {
    const steps = [];
    const context = contextOf(hylaFax, { ...settings(), ...also }, { direction });
    for await (const step of hylaFax.check(context, new AbortController().signal)) steps.push(step);
    return steps;
  };
  const attempt = () => attemptOf(`99999999-0000-4000-8000-${String(testNumber).padStart(12, '0')}`);
  const send = (session: Session, fax: ComposedFax, at = attempt()) => hylaFax.send?.(session, fax, at);

  it('the connection test names the server, the rights and the queue', async () => {
    expect(await check('O')).toMatchObject([
      { ok: true, detail: expect.stringContaining('HylaFAX (tm) Version') },
      { ok: true, name: 'Login as tester' },
      { ok: true, name: 'Administrator rights' },
      { ok: true, name: 'Modems' },
      { ok: true, name: 'Queue', detail: '0 jobs waiting or ended' },
    ]);
  });

  it('the connection test names a wrong modem, password and administrator password', async () => {
    const last = async (direction: 'I' | 'O', also: object) => (await check(direction, also)).at(-1);
    const modem = await last('I', { Modem: 'ttyS9' });
    expect(modem).toMatchObject({ ok: false, detail: expect.stringContaining('the server has no modem ttyS9') });
    expect(await last('O', { Password: 'wrong' })).toMatchObject({ ok: false, name: 'Login as tester' });
    expect(await last('I', { AdminPassword: 'wrong' })).toMatchObject({ ok: false, name: 'Administrator rights' });
    expect(await open('O', { Password: 'wrong' }).catch(messageOf)).toMatch(/rejects tester: 530 Login incorrect/);
  });

  it('a fax that only administrators may see is received once, and deleted when it is confirmed', async () => {
    await server.putReceived('fax000000101.tif', TIFF, Date.UTC(2026, 10, 1, 10));
    chmodSync(join(server.spool, 'recvq/fax000000101.tif'), 0o600);
    const { session, driverState } = await open('I', { Since: 'All', AfterReceive: 'Delete' });
    const next = receiving(session);
    const message = await next();
    expect(message).toMatchObject({
      key: `fax000000101.tif 2026-11-01T10:00:00Z ${TIFF.length}`,
      content: { raw: TIFF, pages: 1, receivedAt: Date.UTC(2026, 10, 1, 10), problem: null },
    });
    driverState.acknowledge(message);
    await message.confirm();
    expect(server.received()).toEqual([]);
  });

  it('of two modems only the faxes of one are received, with the reason of an interruption', async () => {
    await server.putReceived('fax000000111.tif', TIFF);
    server.logReceived('fax000000111.tif', 'ttyS0', '');
    await server.putReceived('fax000000112.tif', TIFF);
    server.logReceived('fax000000112.tif', 'ttyS1', 'Failed to properly receive page');
    const { session } = await open('I', { Since: 'All', Modem: 'ttyS1', AfterReceive: 'Delete' });
    const message = await receiving(session)();
    expect(message.content).toMatchObject({
      providerId: expect.stringContaining('fax000000112.tif'),
      to: '5551002',
      problem: 'Failed to properly receive page',
    });
    await message.confirm();
    expect(server.received()).toEqual(['fax000000111.tif']);
  });

  it('a file that HylaFAX cannot read is received', async () => {
    await server.putReceived('fax000000121.tif', TIFF.subarray(0, 200), Date.UTC(2026, 10, 2));
    const clock = manualClock(systemClock.now());
    const { session } = await open('I', { Since: '2026-11-02', AfterReceive: 'Delete', Modem: 'ttyS1' }, { clock });
    let message: InboundMessage<FaxDocument> | undefined;
    const nextFax = receiving(session)().then((one) => {
      message = one;
    });
    await waitFor('the fax to come as it is', async () => {
      if (!message) await clock.advance(500);
      return message;
    });
    await nextFax;
    expect(message?.content?.notes).toContainEqual(expect.stringContaining('incomplete or damaged'));
  });

  it.each([['TIFF'], ['PDF']])(
    'a %s is queued, and the answer quotes HylaFAX when an operator kills the job',
    async (kind) => {
      const { session } = await open('O', { StationId: '+420 222', Header: 'Desk', Resolution: 'Superfine' });
      const fax = outboundFax(`a ${kind}`);
      const outcome = send(session, kind === 'PDF' ? { ...fax, tiff: null } : fax);
      const [job] = await waitFor('the job', () =>
        server.jobs('sendq').length > 0 ? server.jobs('sendq') : undefined,
      );
      await waitFor('the scheduler to have it', () => /^state:[2-6]/m.test(server.read(`sendq/q${job}`)));
      const queued = server.read(`sendq/q${job}`);
      expect(queued).toMatch(/^jobtag:99999999-0000-4000-8000-\d{12}$/m);
      expect(queued).toMatch(/^number:\+420777123456$/m);
      expect(queued).toMatch(/^desiredtl:1$/m);
      expect(queued).toMatch(kind === 'PDF' ? /^!?pdf:/m : /^!?tiff:/m);
      const client = await operator();
      await client.ask(`JKILL ${job}`);
      client.close();
      expect(await outcome).toMatchObject({ kind: 'rejected', detail: expect.stringMatching(/aborted by request/i) });
    },
  );

  it('another attempt waits for the same job, and a lookup finds it by the tag', async () => {
    const { session, receipts } = await open('O');
    const first = attempt();
    const outcome = send(session, outboundFax('twice'), first);
    const [job] = await waitFor('the job', () => (server.jobs('sendq').length > 0 ? server.jobs('sendq') : undefined));
    await waitFor('the scheduler to have it', () => /^state:[2-6]/m.test(server.read(`sendq/q${job}`)));
    first.abort();
    // Accepted, or unknown when the attempt ended before the reply of the scheduler.
    expect(await outcome).toMatchObject({ ids: [job] });
    // Time for the listing that finds the job, and a little more.
    const short = { ...attempt(), number: 2, remaining: () => 4_000 };
    const again = send(session, outboundFax('twice'), short);
    const found = hylaFax.lookup?.(session, outboundFax('twice'), short);
    const inProgress = { kind: 'sent', state: 'accepted', ids: [job] };
    expect(await Promise.all([again, found])).toMatchObject([inProgress, inProgress]);
    expect(server.jobs('sendq')).toEqual([job]);
    const client = await operator();
    await client.ask(`JKILL ${job}`);
    client.close();
    await waitFor('the end to be reported', () => receipts.length > 0);
    expect(receipts).toMatchObject([
      { id: job, state: 'undelivered', detail: expect.stringMatching(/aborted by request/i) },
    ]);
    expect(server.jobs('sendq')).toEqual([]);
    expect(server.jobs('doneq').filter((id) => server.read(`doneq/q${id}`).includes(attempt().messageId))).toEqual([
      job,
    ]);
  });
});
