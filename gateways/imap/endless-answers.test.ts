// A mail server that sends without end: every command is bounded in bytes and in time, and so is the memory that it takes.
import { afterEach, describe, expect, it } from 'vitest';
import { mailOf } from '../../test/servers/imap-harness.js';
import {
  type Answer,
  type ScriptedConnection,
  type ScriptedImapOptions,
  startScriptedImap,
} from '../../test/servers/scripted-imap.js';
import { openScriptedMailbox } from '../../test/servers/scripted-mailbox.js';
import { imapHost } from './driver.js';

const MB = 1024 * 1024;
const PAD = 'x'.repeat(4096);
let undo: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of undo.reverse()) await step();
  undo = [];
});

async function start(options: ScriptedImapOptions, settings: Record<string, unknown> = {}) {
  const server = await startScriptedImap({ mails: ['m1', 'm2', 'm3'].map((name) => mailOf(name)), ...options });
  undo.push(() => server.close());
  const mailbox = openScriptedMailbox(imapHost, server, { PollSeconds: 60, ...settings });
  undo.push(() => mailbox.close());
  return { server, mailbox };
}

/** Sends the same bytes as fast as they are taken, until the connection ends. */
function flood({ socket }: ScriptedConnection, text: string, sent: { bytes: number; memory: number }): void {
  const chunk = Buffer.from(text.repeat(Math.ceil((64 * 1024) / text.length)));
  const more = () => {
    if (socket.destroyed) return;
    sent.bytes += chunk.length;
    sent.memory = Math.max(sent.memory, process.memoryUsage.rss());
    if (socket.write(chunk)) setImmediate(more);
    else socket.once('drain', more);
  };
  more();
}

describe('a server that sends without end', () => {
  const rows: [string, string, string, string][] = [
    ['a line without an end to SEARCH', 'UID SEARCH', '* SEARCH ', '1234567 '],
    ['a line without a blank or an end', 'UID SEARCH', '* ', 'a'],
    ['untagged lines to SEARCH', 'UID SEARCH', '', `* OK still here ${PAD}\r\n`],
    ['SEARCH answers', 'UID SEARCH', '', `* SEARCH ${'1 2 3 '.repeat(100)}\r\n`],
    ['folders', 'LIST', '', `* LIST (\\HasNoChildren) "/" INBOX${PAD}\r\n`],
    ['FETCH answers about other mails', 'UID FETCH', '', `* 7 FETCH (UID 7 FLAGS (${PAD}))\r\n`],
    ['the same mail again and again', 'UID FETCH', '', `* 1 FETCH (UID 1 BODY[] {${PAD.length}}\r\n${PAD})\r\n`],
    ['lines that cannot be parsed', 'UID FETCH', '', `* 1 FETCH (((${PAD}\r\n`],
    ['untagged lines in IDLE', 'IDLE', '+ idling\r\n', `* OK still here ${PAD}\r\n`],
    ['untagged lines to NOOP', 'NOOP', '', `* OK ${PAD}\r\n`],
  ];
  for (const [name, command, head, text] of rows)
    it(`${name}: the connection is closed after a bounded number of bytes, and the mails come with the next one`, async () => {
      const sent = { bytes: 0, memory: 0 };
      let ill = true;
      const before = process.memoryUsage.rss();
      const answer: Answer = ({ connection }) => {
        if (!ill) return 'usual';
        if (head !== '') connection.socket.write(head);
        return flood(connection, text, sent);
      };
      const { mailbox } = await start({
        answers: { [command]: answer, ...(command === 'LIST' && refusedSelect(() => ill)) },
      });
      await mailbox.until('the end of the session', () => mailbox.failures.length > 0);
      ill = false;
      expect(sent.bytes).toBeGreaterThan(0);
      expect(sent.bytes).toBeLessThan(64 * MB);
      expect(sent.memory - before).toBeLessThan(512 * MB);
      await mailbox.until('the mails', () => mailbox.confirmed.length === 3);
      expect([...mailbox.received].sort()).toEqual(['m1', 'm2', 'm3']);
    });

  for (const size of ['4000000000', '99999999999999999999', '300000000'])
    it(`a literal of ${size} bytes ends the connection at once; the other mails come, this one rests`, async () => {
      const { mailbox } = await start({
        answers: {
          'UID FETCH': ({ connection, args, server }) => {
            const damaged = /BODY/.test(args) && server.select(args.split(' ')[0] ?? '').some(({ uid }) => uid === 2);
            return damaged ? connection.send(`* 2 FETCH (UID 2 BODY[] {${size}}`) : 'usual';
          },
        },
      });
      await mailbox.until('the others', () => mailbox.confirmed.length === 2);
      expect([...mailbox.received].sort()).toEqual(['m1', 'm3']);
      await mailbox.until('the problem', () => mailbox.problems.has('unfetchable'));
    });

  it('mails that are far larger than announced: fetched one by one, none is lost', async () => {
    const body = 'x'.repeat(2.5 * MB);
    const mails = Array.from({ length: 12 }, (_, at) => mailOf(`m${at}`, { body }));
    const { server, mailbox } = await start({ mails: [] }, { MaxMessageBytes: MB });
    for (const mail of mails) server.add(mail).size = 1_000;
    await mailbox.until('the mails', () => mailbox.confirmed.length === 12);
    expect(mailbox.failures.join()).toContain('does not end its answer');
    expect(new Set(mailbox.received).size).toBe(12);
  });

  it('the search of a large mailbox fits', async () => {
    const numbers = Array.from({ length: 200_000 }, (_, at) => 5_000_000 + at).join(' ');
    const answer: Answer = ({ connection, tag }) => {
      connection.send(`* SEARCH 1 2 3 ${numbers}`);
      connection.send(`${tag} OK done`);
    };
    const { server, mailbox } = await start({ answers: { 'UID SEARCH': answer } }, { Since: 'Now' });
    await mailbox.until('an answer', () => server.count(/^UID FETCH|^IDLE/) > 0);
    expect(mailbox.failures).toEqual([]);
  });

  it('lines without end before the login: given up after 30 s', async () => {
    const sent = { bytes: 0, memory: 0 };
    let ill = true;
    const { mailbox } = await start({
      answers: { LOGIN: ({ connection }) => (ill ? flood(connection, `* OK wait ${PAD}\r\n`, sent) : 'usual') },
    });
    await mailbox.until('the end', () => mailbox.failures.length > 0);
    ill = false;
    await mailbox.until('the mails', () => mailbox.confirmed.length === 3);
  });
});

/** The folders are listed when the folder cannot be opened. */
function refusedSelect(ill: () => boolean): Record<string, Answer> {
  return { SELECT: ({ connection, tag }) => (ill() ? connection.send(`${tag} NO no such folder`) : 'usual') };
}
