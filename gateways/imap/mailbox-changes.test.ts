// What servers answer to the commands that confirm, and what is left in the folder.
import { afterEach, describe, expect, it } from 'vitest';
import { mailOf } from '../../test/servers/imap-harness.js';
import {
  type Answer,
  type ScriptedImap,
  type ScriptedImapOptions,
  startScriptedImap,
} from '../../test/servers/scripted-imap.js';
import { openScriptedMailbox, type ScriptedMailbox } from '../../test/servers/scripted-mailbox.js';
import { imapHost } from './driver.js';

let undo: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of undo.reverse()) await step();
  undo = [];
});

const MOVE = { AfterReceive: 'Move', MoveTo: 'Archive' };
const DELETE = { AfterReceive: 'Delete' };

async function start(options: ScriptedImapOptions, settings: Record<string, unknown>) {
  const server = await startScriptedImap({ mails: ['m1', 'm2', 'm3'].map((name) => mailOf(name)), ...options });
  undo.push(() => server.close());
  const mailbox = openScriptedMailbox(imapHost, server, { PollSeconds: 60, ...settings });
  undo.push(() => mailbox.close());
  return { server, mailbox };
}

const answering =
  (words: string, times = Number.POSITIVE_INFINITY): Answer =>
  ({ connection, tag }) =>
    times-- > 0 ? connection.send(`${tag} ${words}`) : 'usual';
const confirmed = (mailbox: ScriptedMailbox, count = 3) =>
  mailbox.until(`${count} confirmed mails`, () => mailbox.confirmed.length === count);
const uids = ({ mails }: ScriptedImap) => mails.map(({ uid }) => uid);
const copies = ({ copied }: ScriptedImap) => [...copied].sort();

describe('MOVE that is announced and refused', () => {
  for (const words of ['BAD unknown command', 'NO not supported here', 'NO [CANNOTMOVE] no', 'NO [SERVERBUG] failed'])
    it(`"${words}": each mail is copied once and removed, and MOVE is not asked again`, async () => {
      const { server, mailbox } = await start({ answers: { 'UID MOVE': answering(words) } }, MOVE);
      await confirmed(mailbox);
      expect(uids(server)).toEqual([]);
      expect(copies(server)).toEqual([1, 2, 3]);
      server.add(mailOf('m4'));
      await confirmed(mailbox, 4);
      expect(server.count(/^UID MOVE/)).toBe(1);
      expect(copies(server)).toEqual([1, 2, 3, 4]);
      expect([...mailbox.problems]).toEqual([]);
    });

  for (const words of [
    'NO [OVERQUOTA] Quota exceeded',
    'NO [TRYCREATE] Mailbox does not exist',
    'NO [NONEXISTENT] no such folder',
    'NO [UNAVAILABLE] later',
    'NO [LIMIT] too many commands',
  ])
    it(`"${words}": COPY would fail as well: shown, nothing copied, tried again until it works`, async () => {
      const { server, mailbox } = await start({ answers: { 'UID MOVE': answering(words) } }, MOVE);
      await mailbox.until('the problem', () => mailbox.problems.has('removing'));
      expect(mailbox.problems.get('removing')).toContain(words.replace(/^NO (?:\[\w+\] )?/, ''));
      expect([server.count(/^UID COPY/), uids(server)]).toEqual([0, [1, 2, 3]]);
      server.answers.delete('UID MOVE');
      await confirmed(mailbox);
      expect([uids(server), copies(server), [...mailbox.problems]]).toEqual([[], [1, 2, 3], []]);
      expect([...mailbox.received].sort()).toEqual(['m1', 'm2', 'm3']);
    });
});

describe('a server without MOVE', () => {
  const capabilities = 'IDLE UIDPLUS';
  for (const words of ['NO [OVERQUOTA] Quota exceeded', 'NO [TRYCREATE] no such folder', 'NO refused', 'BAD syntax'])
    it(`COPY answered "${words}": shown, nothing removed, tried again until it works`, async () => {
      const { server, mailbox } = await start({ capabilities, answers: { 'UID COPY': answering(words) } }, MOVE);
      await mailbox.until('the problem', () => mailbox.problems.has('removing'));
      await mailbox.until('another attempt', () => server.count(/^UID COPY/) >= 2);
      expect(uids(server)).toEqual([1, 2, 3]);
      expect(server.count(/^UID (?:STORE|EXPUNGE)/)).toBe(0);
      server.answers.delete('UID COPY');
      await confirmed(mailbox);
      expect([uids(server), copies(server), [...mailbox.problems]]).toEqual([[], [1, 2, 3], []]);
    });

  it('a removal that fails for a while copies no mail twice', async () => {
    const answers = { 'UID STORE': answering('NO [UNAVAILABLE] later', 3) };
    const { server, mailbox } = await start({ capabilities, answers }, MOVE);
    await confirmed(mailbox);
    expect([uids(server), copies(server)]).toEqual([[], [1, 2, 3]]);
  });
});

describe('UID EXPUNGE that is missing or refused', () => {
  const ways: [string, ScriptedImapOptions][] = [
    ['no UIDPLUS', { capabilities: 'IDLE' }],
    ['UID EXPUNGE answered BAD', { answers: { 'UID EXPUNGE': answering('BAD unknown command') } }],
    ['UID EXPUNGE answered NO', { answers: { 'UID EXPUNGE': answering('NO [CANNOT] no') } }],
  ];
  for (const [name, options] of ways) {
    it(`${name}: a plain EXPUNGE removes the mails where no other mail is marked`, async () => {
      const { server, mailbox } = await start(options, DELETE);
      await confirmed(mailbox);
      expect(uids(server)).toEqual([]);
      expect(server.count(/^UID EXPUNGE/)).toBeLessThanOrEqual(1);
      expect([...mailbox.problems]).toEqual([]);
    });

    it(`${name}: a mail that another user has marked stays, and so do the marks`, async () => {
      const foreign = { uid: 99, raw: Buffer.from(mailOf('foreign')), flags: new Set(['\\Deleted']) };
      const marking: Answer = ({ server }) => {
        if (!server.mails.includes(foreign)) server.mails.push(foreign);
        return 'usual';
      };
      const answers = { ...options.answers, 'UID STORE': marking };
      const { server, mailbox } = await start({ ...options, answers }, DELETE);
      await confirmed(mailbox);
      expect(uids(server)).toEqual([1, 2, 3, 99]);
      expect(server.mails.every(({ flags }) => flags.has('\\Deleted'))).toBe(true);
      expect(server.count(/^EXPUNGE/)).toBe(0);
    });

    it(`${name}: what was marked earlier goes as soon as no other mark is there`, async () => {
      let held = true;
      const deleted: Answer = ({ connection, tag, args, server }) => {
        if (!held || !/DELETED/.test(args)) return 'usual';
        connection.send(
          `* SEARCH ${server.mails
            .filter(({ flags }) => flags.has('\\Deleted'))
            .map(({ uid }) => uid)
            .join(' ')} 77`,
        );
        return connection.send(`${tag} OK done`);
      };
      const answers = { ...options.answers, 'UID SEARCH': deleted };
      const { server, mailbox } = await start({ ...options, answers }, DELETE);
      await confirmed(mailbox);
      expect(uids(server)).toEqual([1, 2, 3]);
      expect(server.mails.every(({ flags }) => flags.has('\\Deleted'))).toBe(true);
      held = false;
      server.add(mailOf('m4'));
      await confirmed(mailbox, 4);
      expect(uids(server)).toEqual([]);
    });
  }

  it('EXPUNGE refused, too: the mails keep their marks, and nothing is received twice', async () => {
    const answers = { EXPUNGE: answering('NO not allowed') };
    const { server, mailbox } = await start({ capabilities: 'IDLE', answers }, DELETE);
    await confirmed(mailbox);
    server.add(mailOf('m4'));
    await confirmed(mailbox, 4);
    expect(uids(server)).toEqual([1, 2, 3, 4]);
    expect(server.count(/^EXPUNGE/)).toBe(1);
    expect([...mailbox.received].sort()).toEqual(['m1', 'm2', 'm3', 'm4']);
  });

  it('EXPUNGE refused for a while: tried again until it works', async () => {
    const answers = { EXPUNGE: answering('NO [UNAVAILABLE] later', 2) };
    const { server, mailbox } = await start({ capabilities: 'IDLE', answers }, DELETE);
    await confirmed(mailbox);
    expect(uids(server)).toEqual([]);
  });
});
