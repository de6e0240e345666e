// How calls end, and what is reported about calls that outlast their answer.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attemptOf } from '../../test/conformance/context.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import {
  faxOf,
  type HylafaxFixture,
  hylafaxFixture,
  SEND_REQUEST,
  untilReceipts,
} from '../../test/servers/hylafax-fixture.js';

let fixture: HylafaxFixture;
beforeEach(async () => {
  fixture = await hylafaxFixture();
});
afterEach(() => fixture.close());

const idle = () => {};

describe('a call that ends in time is the answer', () => {
  it('all pages sent', async () => {
    fixture.ends({ state: 'D', sent: 3, pages: 3, dials: 2 });
    expect(await (await fixture.sender()).send(faxOf(3))).toEqual({
      kind: 'sent',
      deliverySystemId: '1',
      ids: ['1'],
      state: 'delivered',
      detail: 'HylaFAX job 1: 3 pages sent in 2 calls',
    });
  });

  it.each([
    [{ state: 'D', sent: 0 }, 'HylaFAX job 1: done, but no page was sent'],
    [{ state: 'D', sent: 2, pages: 3 }, 'HylaFAX job 1: done, but only 2 of 3 pages were sent'],
    [
      { status: 'Busy signal detected; too many attempts to dial', dials: 12 },
      'HylaFAX job 1: failed after 12 calls; Busy signal detected; too many attempts to dial',
    ],
    [{ status: 'No answer from remote', sent: 0 }, 'HylaFAX job 1: failed after 1 call; No answer from remote'],
    [{ status: 'Job aborted by request', dials: 0 }, 'HylaFAX job 1: failed after 0 calls; Job aborted by request'],
    [
      { status: 'No response to EOP', sent: 2, pages: 3 },
      'HylaFAX job 1: failed with 2 of 3 pages sent after 1 call; No response to EOP',
    ],
    [{ status: 'Conversion failed:\nline two' }, 'HylaFAX job 1: failed after 1 call; Conversion failed: line two'],
  ])('%o is rejected with the reason', async (job, detail) => {
    fixture.ends(job);
    expect(await (await fixture.sender()).send(faxOf(3))).toEqual({ kind: 'rejected', detail });
  });

  it('notes every dial and page', async () => {
    fixture.server.work = (job) => void Object.assign(job, { state: 'R', pages: 2 });
    const notes: string[] = [];
    const attempt = { ...attemptOf(SEND_REQUEST), note: (detail: string) => void notes.push(detail) };
    const outcome = (await fixture.sender()).send(faxOf(2), attempt);
    const job = await fixture.job();
    await waitFor('the dial', () => notes.length === 1);
    fixture.change(job, { state: 'S', dials: 1, status: 'Busy signal detected' });
    await waitFor('the reason', () => notes.length === 2);
    fixture.change(job, { state: 'R', status: '', sent: 1 });
    await waitFor('the page', () => notes.length === 3);
    fixture.change(job, { state: 'D', sent: 2, dials: 2 });
    await outcome;
    expect(notes).toEqual(['calling, dial 1 of 12', 'dial 1 of 12: Busy signal detected', 'page 1 of 2 sent']);
    expect(fixture.receipts).toEqual([]);
  });

  it('learns of the end at once over the event channel, even with a long PollSeconds', async () => {
    fixture.server.work = idle;
    const sender = await fixture.sender({ PollSeconds: 600 });
    await waitFor('the event channel', () => fixture.server.channels === 1);
    const outcome = sender.send();
    const job = await fixture.submitted();
    fixture.change(job, { state: 'D', sent: 1, dials: 1 });
    expect(await outcome).toMatchObject({ kind: 'sent', state: 'delivered' });
  });

  it('learns of the end by polling where the event channel is rejected', async () => {
    fixture.server.trouble = (command) =>
      command.startsWith('SITE') ? { is: 'says', reply: '504 Cannot register trigger.' } : undefined;
    fixture.server.work = idle;
    const outcome = (await fixture.sender()).send();
    const job = await fixture.submitted();
    Object.assign(job, { state: 'D', sent: 1, dials: 1 });
    expect(await outcome).toMatchObject({ kind: 'sent', state: 'delivered' });
  });
});

describe('a call that outlasts the attempt', () => {
  const late = async (settings: Readonly<Record<string, unknown>> = {}) => {
    fixture.server.work = (job) => void Object.assign(job, { state: 'S', dials: 1, status: 'Busy signal detected' });
    const sender = await fixture.sender(settings);
    const attempt = attemptOf(SEND_REQUEST);
    const outcome = sender.send(faxOf(3), attempt);
    const job = await fixture.job();
    job.pages = 3;
    await fixture.server.until('a listing of the queue', /^LIST doneq/);
    // The listing is in the answer once the driver has processed it.
    await waitFor('the dial to be known', async () => {
      fixture.server.tell(`100000 104 JOB ${job.id} (dest x): Something`);
      return fixture.server.commands.filter((command) => command === 'LIST doneq').length > 1;
    });
    attempt.abort();
    return { sender, job, outcome: await outcome };
  };

  it('is accepted for transmission, and its progress and end are reported later', async () => {
    const { job, outcome } = await late();
    expect(outcome).toEqual({
      kind: 'sent',
      deliverySystemId: '1',
      ids: ['1'],
      state: 'accepted',
      detail: 'accepted for transmission; HylaFAX job 1: dial 1 of 12: Busy signal detected',
    });
    fixture.change(job, { state: 'R', dials: 2, status: '', sent: 1 });
    await untilReceipts(fixture.receipts, 1);
    fixture.change(job, { state: 'D', sent: 3 });
    await untilReceipts(fixture.receipts, 2);
    expect(fixture.receipts).toEqual([
      { id: '1', state: 'accepted', progress: true, detail: 'page 1 of 3 sent', at: expect.any(Number) },
      { id: '1', state: 'delivered', detail: '3 pages sent in 2 calls', at: expect.any(Number) },
    ]);
  });

  it('is unknown with AnswerWhen Done, and its end is reported under the same id', async () => {
    const { job, outcome } = await late({ AnswerWhen: 'Done' });
    expect(outcome).toEqual({
      kind: 'unknown',
      ids: ['1'],
      detail: 'the call is still in progress; HylaFAX job 1: dial 1 of 12: Busy signal detected',
    });
    fixture.change(job, { state: 'F', status: 'Kill time expired', dials: 4 });
    await untilReceipts(fixture.receipts, 1);
    expect(fixture.receipts).toMatchObject([
      { id: '1', state: 'undelivered', detail: 'failed after 4 calls; Kill time expired' },
    ]);
  });

  it('reports later dials', async () => {
    const { job } = await late();
    fixture.change(job, { dials: 2, status: 'No carrier detected' });
    await untilReceipts(fixture.receipts, 1);
    expect(fixture.receipts).toMatchObject([
      { state: 'accepted', progress: true, detail: 'dial 2 of 12: No carrier detected' },
    ]);
  });

  it('names a wedged modem: the answer says what the job waits for, the connection test why', async () => {
    fixture.server.work = idle;
    fixture.server.modems.set('/dev/ttyS0', 'Waiting for modem to come ready');
    const sender = await fixture.sender();
    const attempt = attemptOf(SEND_REQUEST);
    const outcome = sender.send(faxOf(), attempt);
    await fixture.submitted();
    await waitFor('the listing to be over', async () => {
      fixture.server.tell('100000 104 JOB 1 (dest x): Something');
      return fixture.server.commands.filter((command) => command === 'LIST doneq').length > 1;
    });
    attempt.abort();
    expect(await outcome).toMatchObject({
      kind: 'sent',
      state: 'accepted',
      detail: 'accepted for transmission; HylaFAX job 1: waiting for a free modem',
    });
    expect(await fixture.check('O')).toContainEqual({
      name: 'Modems',
      ok: true,
      detail: 'ttyS0: Waiting for modem to come ready',
    });
  });

  it('tracks the job to its end after a restart', async () => {
    const { sender, job } = await late();
    await sender.close();
    Object.assign(job, { state: 'D', sent: 3 });
    await fixture.sender();
    await untilReceipts(fixture.receipts, 1);
    expect(fixture.receipts).toMatchObject([{ id: '1', state: 'delivered' }]);
    await fixture.sender();
    expect(fixture.receipts).toHaveLength(1);
  });

  it('reports a job that vanishes as vanished, not as failed', async () => {
    const { job } = await late();
    fixture.server.jobs.splice(fixture.server.jobs.indexOf(job), 1);
    await untilReceipts(fixture.receipts, 1);
    expect(fixture.receipts).toMatchObject([
      { state: 'accepted', progress: true, detail: expect.stringContaining("job 1 is in none of HylaFAX's queues") },
    ]);
  });

  it('a job that is missing from one listing has not vanished', async () => {
    const { job } = await late();
    const listings = () => fixture.server.commands.filter((command) => command === 'LIST doneq').length;
    fixture.server.jobs.splice(0, 1);
    const before = listings();
    await waitFor('a listing without the job', () => listings() > before);
    fixture.server.jobs.push(job);
    fixture.change(job, { state: 'D', sent: 3 });
    await untilReceipts(fixture.receipts, 1);
    expect(fixture.receipts).toMatchObject([{ state: 'delivered' }]);
  });

  it('does not mistake a reused job id for its own job', async () => {
    const { job } = await late();
    Object.assign(job, { tag: 'somebody-else', state: 'D', sent: 3 });
    await untilReceipts(fixture.receipts, 1);
    expect(fixture.receipts).toMatchObject([{ state: 'accepted', detail: expect.stringContaining('none of HylaFAX') }]);
  });

  it('tracks another message under a reused job id', async () => {
    const { sender, job } = await late();
    const other = '99999999-0000-4000-8000-000000000002';
    Object.assign(job, { tag: other, state: 'D', sent: 3 });
    const outcome = await sender.send(faxOf(3), { ...attemptOf(other), number: 2 });
    expect(outcome).toMatchObject({ kind: 'sent', deliverySystemId: '1', state: 'delivered' });
  });

  it('reports an end again that the journal could not store', async () => {
    const { job } = await late();
    let refused = 0;
    fixture.receipts.push = () => {
      refused += 1;
      throw new Error('the disk is full');
    };
    fixture.change(job, { state: 'D', sent: 3 });
    await waitFor('a refusal', () => refused > 0);
    Reflect.deleteProperty(fixture.receipts, 'push');
    await untilReceipts(fixture.receipts, 1);
    expect(fixture.receipts).toMatchObject([{ id: '1', state: 'delivered' }]);
  });

  it.each([
    [3, 'delivered', '3 pages sent, by the log of calls'],
    [0, 'undelivered', 'done, but no page was sent'],
  ])('finds the end of a job that is in no queue in the log of calls: %i pages, %s', async (pages, state, detail) => {
    const { job } = await late();
    const call = (reason: string, sent: number) => {
      const [start, end] = [
        ['date', 'SEND', '1', 'ttyS0', '1', `"${SEND_REQUEST}"`, 'x', '"x"', '"x"', '0'],
        ['0:10', '0:10'],
      ];
      return [...start, sent, ...end, `"${reason}"`].join('\t');
    };
    fixture.server.texts.set('log/xferfaxlog', `${call('Busy signal detected', 0)}\n${call('', pages)}\n`);
    fixture.server.jobs.splice(fixture.server.jobs.indexOf(job), 1);
    await untilReceipts(fixture.receipts, 1);
    expect(fixture.receipts).toMatchObject([{ state, detail }]);
  });
});
