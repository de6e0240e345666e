import { afterEach, describe, expect, it } from 'vitest';
import { mailOf } from '../../test/servers/imap-harness.js';
import { type ScriptedImap, type ScriptedImapOptions, startScriptedImap } from '../../test/servers/scripted-imap.js';
import { openScriptedMailbox, type ScriptedMailbox } from '../../test/servers/scripted-mailbox.js';
import { imapHost } from './driver.js';
import { newLook, verdictOf } from './look.js';
import type { Answer } from './refusals.js';
import { refusedPause } from './suspects.js';
import { pauseAfter } from './trouble.js';

let undo: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of undo.reverse()) await step();
  undo = [];
});

interface Started {
  server: ScriptedImap;
  mailbox: ScriptedMailbox;
}

async function start(options: ScriptedImapOptions = {}, settings: Record<string, unknown> = {}): Promise<Started> {
  const server = await startScriptedImap({ mails: ['m1', 'm2', 'm3'].map((name) => mailOf(name)), ...options });
  undo.push(() => server.close());
  const mailbox = openScriptedMailbox(imapHost, server, { PollSeconds: 60, ...settings });
  undo.push(() => mailbox.close());
  return { server, mailbox };
}

const all = (mailbox: ScriptedMailbox) => [...mailbox.received].sort();

describe('a server that hands nothing out for a while', () => {
  for (const answer of [
    'NO [UNAVAILABLE] FETCH Server error while fetching messages',
    'NO [SERVERBUG] Internal error occurred. Refer to server log.',
    'NO [INUSE] Mailbox is locked by another session',
    'NO [CONTACTADMIN] Mailbox is being moved',
    'NO [LIMIT] FETCH rate limit hit',
    'NO [OVERQUOTA] Account exceeded command or bandwidth limits',
    'NO Server Unavailable. 15',
    'NO FETCH failed',
    'BAD User is authenticated but not connected.',
  ])
    it(`"${answer}" is its trouble, not the mails': shown as degraded, tried again soon, nothing put aside`, async () => {
      let ill = true;
      const { server, mailbox } = await start({
        answers: { 'UID FETCH': ({ connection, tag }) => (ill ? connection.send(`${tag} ${answer}`) : 'usual') },
      });
      await mailbox.until('a problem', () => mailbox.problems.has('server'));
      const [, words = ''] = /^\w+ (?:\[\w+\] )?(.*)$/.exec(answer) ?? [];
      expect(mailbox.problems.get('server')).toContain(words);
      await mailbox.until('a few more looks', () => server.count(/^UID SEARCH/) >= 3);
      ill = false;
      const recovered = mailbox.clock.now();
      await mailbox.until('the mails', () => mailbox.confirmed.length === 3);
      expect(mailbox.clock.now() - recovered).toBeLessThanOrEqual(61_000);
      expect(all(mailbox)).toEqual(['m1', 'm2', 'm3']);
      expect([...mailbox.problems]).toEqual([]);
      expect(mailbox.logged()).not.toContain('mail cannot be fetched');
    });

  it('asks less and less often, in few commands, and on a new connection now and then', async () => {
    const { server, mailbox } = await start({
      mails: Array.from({ length: 200 }, (_, at) => mailOf(`m${at}`)),
      answers: { 'UID FETCH': ({ connection, tag }) => connection.send(`${tag} NO [UNAVAILABLE] later`) },
    });
    const start0 = mailbox.clock.now();
    await mailbox.until('ten minutes', () => mailbox.clock.now() - start0 >= 600_000);
    expect(server.count(/^UID FETCH/)).toBeLessThan(20);
    expect(server.count(/^LOGIN/)).toBeGreaterThan(1);
    expect(mailbox.received).toEqual([]);
    expect(mailbox.problems.get('server')).toContain('later');
  });
});

describe('what is acknowledged already', () => {
  for (const answer of ['NO [UNAVAILABLE] later', 'NO [SERVERBUG] Internal error occurred', 'NO FETCH failed'])
    it(`is confirmed in the same session after the server refused its size with "${answer}"`, async () => {
      let refused = 0;
      let ill = true;
      const { server, mailbox } = await start(
        {
          answers: {
            'UID STORE': ({ connection, tag }) => (ill ? connection.send(`${tag} NO [INUSE] locked`) : 'usual'),
            'UID FETCH': ({ connection, tag, args }) => {
              if (mailbox.received.length < 3 || !/RFC822\.SIZE/.test(args) || refused > 0) return 'usual';
              refused += 1;
              ill = false;
              return connection.send(`${tag} ${answer}`);
            },
          },
        },
        { AfterReceive: 'Delete' },
      );
      await mailbox.until('the refusal', () => refused > 0);
      const since = mailbox.clock.now();
      await mailbox.until(
        'the confirms',
        () => mailbox.confirmed.length === 3 || mailbox.clock.now() - since > 300_000,
      );
      expect(mailbox.confirmed).toHaveLength(3);
      expect(server.count(/^LOGIN/)).toBe(1);
      expect(all(mailbox)).toEqual(['m1', 'm2', 'm3']);
    });
});

describe('a mail that the server does not hand out while it hands out others', () => {
  for (const answer of ['NO [SERVERBUG] corrupt', 'NO FETCH failed', 'BAD internal error', 'NO [UNAVAILABLE] busy'])
    it(`"${answer}": the others come, this one rests and is shown, and comes once it can be fetched`, async () => {
      let ill = true;
      const { server, mailbox } = await start({
        answers: {
          'UID FETCH': ({ connection, tag, args }) =>
            ill && /BODY/.test(args) && server.select(args.split(' ')[0] ?? '').some(({ uid }) => uid === 2)
              ? connection.send(`${tag} ${answer}`)
              : 'usual',
        },
      });
      await mailbox.until('the others', () => mailbox.confirmed.length === 2);
      await mailbox.until('the problem', () => mailbox.problems.has('unfetchable'));
      expect(all(mailbox)).toEqual(['m1', 'm3']);
      expect([...mailbox.problems.keys()]).toEqual(['unfetchable']);
      ill = false;
      const recovered = mailbox.clock.now();
      await mailbox.until('the third', () => mailbox.confirmed.length === 3);
      expect(mailbox.clock.now() - recovered).toBeLessThan(60_000);
      await mailbox.until('the end of the problem', () => mailbox.problems.size === 0);
    });

  it('many damaged mails at the beginning do not hold up the ones behind them', async () => {
    const { mailbox } = await start({
      mails: Array.from({ length: 12 }, (_, at) => mailOf(`m${at + 1}`)),
      answers: {
        'UID FETCH': ({ connection, tag, args, server }) => {
          const uids = server.select(args.split(' ')[0] ?? '').map(({ uid }) => uid);
          return /BODY/.test(args) && uids.some((uid) => uid <= 7) ? connection.send(`${tag} NO damaged`) : 'usual';
        },
      },
    });
    await mailbox.until('the five sound ones', () => mailbox.confirmed.length === 5);
    expect(all(mailbox)).toEqual(['m10', 'm11', 'm12', 'm8', 'm9']);
    await mailbox.until('the problem', () => /7 mails/.test(mailbox.problems.get('unfetchable') ?? ''));
  });

  it('the only mail of a mailbox is put aside in the end, and a new one comes', async () => {
    const { server, mailbox } = await start({
      mails: [mailOf('bad')],
      answers: {
        'UID FETCH': ({ connection, tag, args }) =>
          /BODY/.test(args) && /^1 /.test(args) ? connection.send(`${tag} NO FETCH failed`) : 'usual',
      },
    });
    await mailbox.until('the verdict', () => mailbox.problems.has('unfetchable'));
    server.add(mailOf('good'));
    await mailbox.until('the new one', () => mailbox.confirmed.length === 1);
    expect(mailbox.received).toEqual(['good']);
    expect(mailbox.problems.has('server')).toBe(false);
  });
});

describe('whose trouble it is', () => {
  const answer = (code: string, words = 'no'): Answer => ({ status: 'NO', code, words });
  const rows: [string, number, Answer[], number, string][] = [
    ['nothing refused', 0, [], 0, 'fine'],
    ['one of many', 3, [answer('')], 0, 'mails'],
    ['one of many, with a code of the server', 3, [answer('UNAVAILABLE')], 0, 'mails'],
    ['all, for the first time', 0, [answer('')], 0, 'server'],
    ['all, for the fifth time', 0, [answer('')], 4, 'mails'],
    ['all, for the fifth time, with a code of the server', 0, [answer('UNAVAILABLE')], 4, 'server'],
    ['all, for the fifth time, in words of the server', 0, [answer('', 'Server Unavailable. 15')], 4, 'server'],
    ['all, for the fifth time, SERVERBUG', 0, [answer('SERVERBUG')], 4, 'mails'],
  ];
  for (const [name, handedOut, refused, failures, verdict] of rows)
    it(`${name}: ${verdict}`, () => {
      const look = { ...newLook(), handedOut, refused: new Map(refused.map((one, at) => [at + 1, one])) };
      expect(verdictOf(look, failures)).toBe(verdict);
    });

  it('pauses grow and are bounded', () => {
    expect([1, 2, 3, 4, 5, 50].map(pauseAfter)).toEqual([5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
    expect([0, 1, 2, 3, 50].map(refusedPause)).toEqual([0, 5_000, 15_000, 45_000, 3600_000]);
  });
});
