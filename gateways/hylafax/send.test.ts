// How calls end, and what is said of those that outlast their answer.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attemptOf } from '../../test/conformance/context.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { faxOf, type HylafaxBed, hylafaxBed, SEND_REQUEST, untilReceipts } from '../../test/servers/hylafax-fixture.js';

let bed: HylafaxBed;
beforeEach(async () => {
  bed = await hylafaxBed();
});
afterEach(() => bed.close());

const idle = () => {};

describe('the answer is the end of the call where that comes in time', () => {
  it('all pages through', async () => {
    bed.ends({ state: 'D', sent: 3, pages: 3, dials: 2 });
    expect(await (await bed.sender()).send(faxOf(3))).toEqual({
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
  ])('%o is a failure in plain words', async (job, detail) => {
    bed.ends(job);
    expect(await (await bed.sender()).send(faxOf(3))).toEqual({ kind: 'rejected', detail });
  });

  it('and every dial and page on the way is told', async () => {
    bed.server.work = (job) => void Object.assign(job, { state: 'R', pages: 2 });
    const notes: string[] = [];
    const attempt = { ...attemptOf(SEND_REQUEST), note: (detail: string) => void notes.push(detail) };
    const outcome = (await bed.sender()).send(faxOf(2), attempt);
    const job = await bed.job();
    await waitFor('the dial', () => notes.length === 1);
    bed.change(job, { state: 'S', dials: 1, status: 'Busy signal detected' });
    await waitFor('the reason', () => notes.length === 2);
    bed.change(job, { state: 'R', status: '', sent: 1 });
    await waitFor('the page', () => notes.length === 3);
    bed.change(job, { state: 'D', sent: 2, dials: 2 });
    await outcome;
    expect(notes).toEqual(['calling, dial 1 of 12', 'dial 1 of 12: Busy signal detected', 'page 1 of 2 sent']);
    expect(bed.receipts).toEqual([]);
  });

  it('is noticed at once over the live channel, however seldom the queue is looked at', async () => {
    bed.server.work = idle;
    const sender = await bed.sender({ PollSeconds: 600 });
    await waitFor('the live channel', () => bed.server.channels === 1);
    const outcome = sender.send();
    const job = await bed.submitted();
    bed.change(job, { state: 'D', sent: 1, dials: 1 });
    expect(await outcome).toMatchObject({ kind: 'sent', state: 'delivered' });
  });

  it('is noticed by looking where the live channel is refused', async () => {
    bed.server.trouble = (command) =>
      command.startsWith('SITE') ? { is: 'says', reply: '504 Cannot register trigger.' } : undefined;
    bed.server.work = idle;
    const outcome = (await bed.sender()).send();
    const job = await bed.submitted();
    Object.assign(job, { state: 'D', sent: 1, dials: 1 });
    expect(await outcome).toMatchObject({ kind: 'sent', state: 'delivered' });
  });
});

describe('a call that takes longer than there is time', () => {
  const late = async (settings: Readonly<Record<string, unknown>> = {}) => {
    bed.server.work = (job) => void Object.assign(job, { state: 'S', dials: 1, status: 'Busy signal detected' });
    const sender = await bed.sender(settings);
    const attempt = attemptOf(SEND_REQUEST);
    const outcome = sender.send(faxOf(3), attempt);
    const job = await bed.job();
    job.pages = 3;
    await bed.server.until('a look at the queue', /^LIST doneq/);
    // The look is in the answer once it has gone through the driver.
    await waitFor('the dial to be known', async () => {
      bed.server.tell(`100000 104 JOB ${job.id} (dest x): Something`);
      return bed.server.commands.filter((command) => command === 'LIST doneq').length > 1;
    });
    attempt.abort();
    return { sender, job, outcome: await outcome };
  };

  it('is accepted for transmission, and its course and end are told later', async () => {
    const { job, outcome } = await late();
    expect(outcome).toEqual({
      kind: 'sent',
      deliverySystemId: '1',
      ids: ['1'],
      state: 'accepted',
      detail: 'accepted for transmission; HylaFAX job 1: dial 1 of 12: Busy signal detected',
    });
    bed.change(job, { state: 'R', dials: 2, status: '', sent: 1 });
    await untilReceipts(bed.receipts, 1);
    bed.change(job, { state: 'D', sent: 3 });
    await untilReceipts(bed.receipts, 2);
    expect(bed.receipts).toEqual([
      { id: '1', state: 'accepted', progress: true, detail: 'page 1 of 3 sent', at: expect.any(Number) },
      { id: '1', state: 'delivered', detail: '3 pages sent in 2 calls', at: expect.any(Number) },
    ]);
  });

  it('is uncertain when only the end counts, and the end names the same job', async () => {
    const { job, outcome } = await late({ AnswerWhen: 'Done' });
    expect(outcome).toEqual({
      kind: 'unknown',
      ids: ['1'],
      detail: 'the call is still under way; HylaFAX job 1: dial 1 of 12: Busy signal detected',
    });
    bed.change(job, { state: 'F', status: 'Kill time expired', dials: 4 });
    await untilReceipts(bed.receipts, 1);
    expect(bed.receipts).toMatchObject([
      { id: '1', state: 'undelivered', detail: 'failed after 4 calls; Kill time expired' },
    ]);
  });

  it('dials are told later, too', async () => {
    const { job } = await late();
    bed.change(job, { dials: 2, status: 'No carrier detected' });
    await untilReceipts(bed.receipts, 1);
    expect(bed.receipts).toMatchObject([
      { state: 'accepted', progress: true, detail: 'dial 2 of 12: No carrier detected' },
    ]);
  });

  it('is a modem that is wedged: the answer says what it waits for, and the test of the connection why', async () => {
    bed.server.work = idle;
    bed.server.modems.set('/dev/ttyS0', 'Waiting for modem to come ready');
    const sender = await bed.sender();
    const attempt = attemptOf(SEND_REQUEST);
    const outcome = sender.send(faxOf(), attempt);
    await bed.submitted();
    await waitFor('the look to be over', async () => {
      bed.server.tell('100000 104 JOB 1 (dest x): Something');
      return bed.server.commands.filter((command) => command === 'LIST doneq').length > 1;
    });
    attempt.abort();
    expect(await outcome).toMatchObject({
      kind: 'sent',
      state: 'accepted',
      detail: 'accepted for transmission; HylaFAX job 1: waiting for a free modem',
    });
    expect(await bed.check('O')).toContainEqual({
      name: 'Modems',
      ok: true,
      detail: 'ttyS0: Waiting for modem to come ready',
    });
  });

  it('a restart follows it to its end', async () => {
    const { sender, job } = await late();
    await sender.close();
    Object.assign(job, { state: 'D', sent: 3 });
    await bed.sender();
    await untilReceipts(bed.receipts, 1);
    expect(bed.receipts).toMatchObject([{ id: '1', state: 'delivered' }]);
    await bed.sender();
    expect(bed.receipts).toHaveLength(1);
  });

  it('a job that vanishes is said to have vanished, and not to have failed', async () => {
    const { job } = await late();
    bed.server.jobs.splice(bed.server.jobs.indexOf(job), 1);
    await untilReceipts(bed.receipts, 1);
    expect(bed.receipts).toMatchObject([
      { state: 'accepted', progress: true, detail: expect.stringContaining("job 1 is in none of HylaFAX's queues") },
    ]);
  });

  it('a job that is missing from one listing has not vanished', async () => {
    const { job } = await late();
    const looks = () => bed.server.commands.filter((command) => command === 'LIST doneq').length;
    bed.server.jobs.splice(0, 1);
    const before = looks();
    await waitFor('a look without it', () => looks() > before);
    bed.server.jobs.push(job);
    bed.change(job, { state: 'D', sent: 3 });
    await untilReceipts(bed.receipts, 1);
    expect(bed.receipts).toMatchObject([{ state: 'delivered' }]);
  });

  it('a job of the same number that is of somebody else is not taken for it', async () => {
    const { job } = await late();
    Object.assign(job, { tag: 'somebody-else', state: 'D', sent: 3 });
    await untilReceipts(bed.receipts, 1);
    expect(bed.receipts).toMatchObject([{ state: 'accepted', detail: expect.stringContaining('none of HylaFAX') }]);
  });

  it('nor does one that is followed stand in the way of another order with the same number', async () => {
    const { sender, job } = await late();
    const other = '99999999-0000-4000-8000-000000000002';
    Object.assign(job, { tag: other, state: 'D', sent: 3 });
    const outcome = await sender.send(faxOf(3), { ...attemptOf(other), number: 2 });
    expect(outcome).toMatchObject({ kind: 'sent', deliverySystemId: '1', state: 'delivered' });
  });

  it('an end that the journal cannot take is told again', async () => {
    const { job } = await late();
    let refused = 0;
    bed.receipts.push = () => {
      refused += 1;
      throw new Error('the disk is full');
    };
    bed.change(job, { state: 'D', sent: 3 });
    await waitFor('a refusal', () => refused > 0);
    Reflect.deleteProperty(bed.receipts, 'push');
    await untilReceipts(bed.receipts, 1);
    expect(bed.receipts).toMatchObject([{ id: '1', state: 'delivered' }]);
  });

  it.each([
    [3, 'delivered', '3 pages sent, by the log of calls'],
    [0, 'undelivered', 'done, but no page was sent'],
  ])('the log of calls tells of a job that is in no queue any more: %i pages, %s', async (pages, state, detail) => {
    const { job } = await late();
    const call = (reason: string, sent: number) => {
      const [start, end] = [
        ['date', 'SEND', '1', 'ttyS0', '1', `"${SEND_REQUEST}"`, 'x', '"x"', '"x"', '0'],
        ['0:10', '0:10'],
      ];
      return [...start, sent, ...end, `"${reason}"`].join('\t');
    };
    bed.server.texts.set('log/xferfaxlog', `${call('Busy signal detected', 0)}\n${call('', pages)}\n`);
    bed.server.jobs.splice(bed.server.jobs.indexOf(job), 1);
    await untilReceipts(bed.receipts, 1);
    expect(bed.receipts).toMatchObject([{ state, detail }]);
  });
});
