// Receiving through Graph where it is not smooth: forgotten links, throttling, dead tokens, mails that cannot be downloaded.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { InboundMessage } from '../../src/driver/contract.js';
import { contextOf, mailBytes } from '../../test/conformance/context.js';
import { createDriverState, type TestDriverState } from '../../test/fixtures/driver-state.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { type GraphServer, startGraph } from '../../test/servers/graph-server.js';
import { type OAuthServer, startOAuthServer } from '../../test/servers/oauth-server.js';
import { graphMail } from './driver.js';

let graph: GraphServer;
let oauth: OAuthServer;
let state: TestDriverState;
let problems: Map<string, string>;
const closing: (() => Promise<void>)[] = [];
beforeEach(async () => {
  graph = await startGraph();
  oauth = await startOAuthServer({ user: graph.address });
  state = createDriverState();
  problems = new Map();
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await graph.close();
  await oauth.close();
});

async function open(own: Record<string, unknown> = {}) {
  const account = { TenantId: 'contoso.test', ClientId: 'app-1', ClientSecret: 'app-secret', TokenUrl: oauth.tokenUrl };
  const written = { ...account, Mailbox: graph.address, BaseUrl: graph.url, PollSeconds: 1, Since: 'All', ...own };
  const session = await graphMail.open(contextOf(graphMail, written, { driverState: state, problems }));
  const ending = new AbortController();
  const messages = graphMail.receive?.(session, ending.signal) as AsyncGenerator<InboundMessage>;
  let asked: Promise<unknown> = Promise.resolve();
  const close = async () => {
    ending.abort();
    await asked.catch(() => {});
    await graphMail.close(session);
  };
  closing.push(close);
  const next = async () => {
    const running = messages.next();
    asked = running;
    const { value } = await running;
    state.open(value);
    return value as InboundMessage;
  };
  const settle = async (message: InboundMessage) => {
    state.acknowledge(message);
    await message.confirm();
    state.confirmed(message);
  };
  return { next, close, settle };
}

const downloads = () => graph.requests.filter(({ path }) => path.endsWith('/$value'));
const subjectOf = ({ content }: InboundMessage) =>
  /^Subject: (.*)\r$/m.exec(Buffer.from(content?.raw ?? []).toString())?.[1];
const offer = (name: string, more = {}) => graph.mailbox.add(mailBytes(name), more);

describe('the delta link', () => {
  it('that Graph has forgotten costs no mail, and nothing is downloaded or received twice', async () => {
    for (let i = 0; i < 60; i++) offer(`old ${i}`);
    const first = await open();
    for (let i = 0; i < 60; i++) await first.settle(await first.next());
    await first.close();
    graph.mailbox.expireLinks();
    offer('meanwhile');
    const before = downloads().length;
    const second = await open();
    expect(subjectOf(await second.next())).toBe('meanwhile');
    expect(downloads().length - before).toBe(1);
  });

  it('that Graph forgets while mails are under way yields each of them once', async () => {
    offer('one');
    offer('two');
    const gateway = await open();
    const one = await gateway.next();
    const two = await gateway.next();
    graph.mailbox.expireLinks();
    const asked = gateway.next();
    await waitFor('a second listing', () => graph.requests.filter(({ path }) => path.endsWith('/delta')).length >= 3);
    await gateway.settle(one);
    await gateway.settle(two);
    offer('three');
    expect(subjectOf(await asked)).toBe('three');
  });

  it('does not pass a mail that is not confirmed', async () => {
    offer('unconfirmed');
    const first = await open();
    await first.next();
    offer('confirmed');
    await first.settle(await first.next());
    await first.close();
    const second = await open();
    expect(subjectOf(await second.next())).toBe('unconfirmed');
  });
});

it('Since Now skips what was there, and receives what comes in a first reading that a crash interrupted', async () => {
  offer('old', { receivedAt: Date.now() - 3_600_000 });
  const first = await open({ Since: 'Now' });
  const asked = first.next();
  await waitFor('the old mail to be skipped', () => state.keys('skipped').length === 1);
  offer('new', { receivedAt: Date.now() + 2_000 });
  expect(subjectOf(await asked)).toBe('new');
  await first.close();
  const second = await open({ Since: 'Now' });
  expect(subjectOf(await second.next())).toBe('new');
});

describe.each([
  ['Category', (id: string) => graph.mailbox.mails.get(id)?.categories.join() === 'mine,Gatepost'],
  ['Move', (id: string) => graph.mailbox.mails.get(id)?.folder === 'F-archive='],
  ['Delete', (id: string) => !graph.mailbox.mails.has(id)],
  ['Keep', (id: string) => graph.mailbox.mails.get(id)?.isRead === false],
])('AfterReceive %s', (AfterReceive, isDone) => {
  const own = { AfterReceive, ...(AfterReceive === 'Move' && { MoveTo: 'Archive' }) };
  it.each([
    ['after the acknowledgement', false],
    ['after a crash between acknowledgement and confirm, and once more', true],
  ])('%s', async (_, crash) => {
    const { id } = offer('a mail', { categories: ['mine'] });
    const gateway = await open(own);
    const message = await gateway.next();
    state.acknowledge(message);
    if (!crash) await message.confirm();
    else {
      await gateway.close();
      for (let round = 0; round < 2 && graph.mailbox.in('F-inbox=').length > 0; round++) {
        const again = await open(own);
        await (await again.next()).confirm();
        await again.close();
      }
    }
    expect(isDone(id)).toBe(true);
    expect(downloads()).toHaveLength(1);
  });
});

it('a mail over the limit is received in part and not deleted', async () => {
  const { id } = graph.mailbox.add(mailBytes('large', { body: 'x'.repeat(70).concat('\r\n').repeat(6_000) }));
  const gateway = await open({ AfterReceive: 'Delete', MaxMessageBytes: 262_144 });
  const message = await gateway.next();
  expect(message.content?.cut?.reason).toContain('MaxMessageBytes');
  await gateway.settle(message);
  expect(graph.mailbox.mails.get(id)).toMatchObject({ isRead: true, flagged: true });
});

describe('trouble', () => {
  it('throttling: every request waits for the pause, which is shown and over afterwards', async () => {
    offer('throttled');
    let left = 1;
    let pausedAt = 0;
    graph.trouble = ({ path }) => {
      if (!path.endsWith('/$value') || left-- <= 0) return undefined;
      pausedAt = performance.now();
      return { is: 'refuse', status: 429, code: 'ApplicationThrottled', retryAfter: 2 };
    };
    const gateway = await open();
    const asked = gateway.next();
    await waitFor('the problem', () => problems.get('service')?.includes('429'));
    expect(subjectOf(await asked)).toBe('throttled');
    expect(performance.now() - pausedAt).toBeGreaterThan(1_900);
    expect([...problems]).toEqual([]);
  });

  it('no more than four requests run at once', async () => {
    for (let i = 0; i < 40; i++) offer(`mail ${i}`);
    graph.delayMs = 5;
    const gateway = await open();
    const confirming: Promise<void>[] = [];
    for (let i = 0; i < 40; i++) confirming.push(gateway.settle(await gateway.next()));
    await Promise.all(confirming);
    expect(graph.mostAtOnce).toBeLessThanOrEqual(4);
    expect(graph.mostAtOnce).toBeGreaterThanOrEqual(3);
  });

  it('a token that is not accepted any more is replaced at once', async () => {
    const gateway = await open();
    for (const token of graph.tokens) graph.rejectedTokens.add(token);
    offer('after');
    expect(subjectOf(await gateway.next())).toBe('after');
    expect(graph.tokens.size).toBe(2);
  });

  it('one mail that cannot be downloaded leaves the others their way, and comes later', async () => {
    const { id } = offer('broken');
    offer('whole');
    graph.trouble = ({ path }) =>
      path === `/messages/${id}/$value` ? { is: 'refuse', status: 500, code: 'ErrorItemCorrupt' } : undefined;
    const gateway = await open();
    const whole = await gateway.next();
    expect(subjectOf(whole)).toBe('whole');
    expect(problems.get('mails')).toContain('ErrorItemCorrupt');
    await gateway.settle(whole);
    graph.trouble = undefined;
    expect(subjectOf(await gateway.next())).toBe('broken');
    expect([...problems]).toEqual([]);
  });

  it('a mail that is deleted before it is downloaded or confirmed is nothing', async () => {
    const gone = offer('gone');
    graph.trouble = ({ path }) => {
      if (path.endsWith('/$value') && graph.mailbox.mails.has(gone.id)) graph.mailbox.remove(gone);
      return undefined;
    };
    const here = offer('here');
    const gateway = await open();
    const message = await gateway.next();
    expect(subjectOf(message)).toBe('here');
    graph.mailbox.remove(here);
    await gateway.settle(message);
  });
});

it('a folder is found by its path, with a quote and letters of any language', async () => {
  offer('for support', { folder: 'F-support=' });
  const gateway = await open({ Folder: "Inbox/Support's příchozí" });
  expect(subjectOf(await gateway.next())).toBe('for support');
  await expect(open({ Folder: 'Inbox/None' })).rejects.toThrow('no folder "None"');
});
