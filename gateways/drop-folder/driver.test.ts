import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { InboundMessage } from '../../src/driver/contract.js';
import { attemptOf, contextOf, mailBytes, outboundMail, tempDir } from '../../test/conformance/context.js';
import { createDriverState, type TestDriverState } from '../../test/fixtures/driver-state.js';
import { type ManualClock, manualClock } from '../../test/fixtures/manual-clock.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { dropFolder } from './driver.js';
import { draftOf, readUpTo, writeWhole } from './files.js';
import { pathOf } from './outbound.js';

const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

function tempFolder(): string {
  const { dir, remove } = tempDir();
  undo.push(remove);
  return dir;
}

interface Shared {
  dataDir?: string;
  driverState?: TestDriverState;
  clock?: ManualClock;
}

async function inbox(written: Record<string, unknown> = {}, shared: Shared = {}) {
  const dataDir = shared.dataDir ?? tempFolder();
  const driverState = shared.driverState ?? createDriverState();
  const clock = shared.clock ?? manualClock();
  const context = contextOf(dropFolder, { FolderName: 'drop', ...written }, { dataDir, driverState, clock });
  const session = await dropFolder.open(context);
  const stop = new AbortController();
  undo.push(() => stop.abort());
  const messages = dropFolder.receive?.(session, stop.signal)[Symbol.asyncIterator]();
  /** The next inbound message, time passing as it needs to. */
  const next = async (): Promise<InboundMessage> => {
    let settled = false;
    const asked = messages?.next().finally(() => {
      settled = true;
    });
    asked?.catch(() => {});
    for (let scans = 0; scans < 200 && !settled; scans++) {
      await waitFor('a file or a pause of the receive loop', () => settled || clock.armed > 0);
      await clock.advance(2000);
    }
    if (!settled) throw new Error('no message after 200 scans');
    const result = await asked;
    if (!result || result.done) throw new Error('the receive loop ended');
    return result.value;
  };
  const folder = join(dataDir, 'drop');
  const drop = (name: string, bytes: string | Buffer = mailBytes(name)) => writeFileSync(join(folder, name), bytes);
  const list = (path = '') => readdirSync(join(folder, path)).sort();
  return { dataDir, driverState, clock, session, stop, messages, next, folder, drop, list };
}

const textOf = (message: InboundMessage) => Buffer.from(message.content?.raw ?? []).toString();

describe('receiving', () => {
  it('a file is marked while its message is under way, moved to done by the confirm and not before', async () => {
    const { next, drop, list } = await inbox();
    drop('a.eml');
    const message = await next();
    expect(textOf(message)).toBe(mailBytes('a.eml').toString());
    expect(list()).toEqual(['a.eml.$$$', 'done', 'refused']);
    await message.confirm();
    await message.confirm();
    expect(list()).toEqual(['done', 'refused']);
    expect(list('done')).toEqual(['a.eml']);
  });

  it('with Delete the confirmed file is gone', async () => {
    const { next, drop, list } = await inbox({ AfterReceive: 'Delete' });
    drop('a.eml');
    await (await next()).confirm();
    expect([list(), list('done')]).toEqual([['done', 'refused'], []]);
  });

  it('a rejected file is stored with the reason beside it', async () => {
    const { next, drop, list, folder } = await inbox();
    drop('a.eml');
    await (await next()).reject('the server said no eight times');
    expect(list('refused')).toEqual(['a.eml', 'a.eml.reason.txt']);
    expect(readFileSync(join(folder, 'refused', 'a.eml.reason.txt'), 'utf8')).toBe('the server said no eight times\n');
  });

  it('stored numbers that cannot be read stop the gateway: new files would get the keys of confirmed ones', async () => {
    const { next, driverState } = await inbox();
    await driverState.putCheckpoint('drop-folder numbers', { of: 'another version' });
    await expect(next()).rejects.toMatchObject({ code: 'drop-folder/state' });
  });

  it('a file that is still being written is received once two scans find it unchanged', async () => {
    const { messages, clock, drop, list } = await inbox();
    drop('slow.eml', 'Subject: ha');
    const asked = messages?.next();
    for (const more of ['Subject: half', 'Subject: half a', 'Subject: half a mail\r\n\r\n']) {
      await clock.waitForTimers(1);
      drop('slow.eml', more);
      await clock.advance(2000);
      expect(list()).toContain('slow.eml');
    }
    await clock.waitForTimers(1);
    await clock.advance(2000);
    const result = await asked;
    expect(result?.done ? '' : textOf(result?.value as InboundMessage)).toBe('Subject: half a mail\r\n\r\n');
  });

  it('other extensions, hidden files, folders, links and half-written files are left alone', async () => {
    const { next, drop, list, folder } = await inbox();
    for (const name of ['x.tmp', 'x.eml.part', 'x.msg', '.hidden.eml']) drop(name);
    mkdirSync(join(folder, 'dir.eml'));
    symlinkSync('/etc/passwd', join(folder, 'link.eml'));
    drop('REAL.EML');
    expect(textOf(await next())).toContain('Subject: REAL.EML');
    expect(list()).toEqual(
      ['.hidden.eml', 'REAL.EML.$$$', 'dir.eml', 'done', 'link.eml', 'refused', 'x.eml.part', 'x.msg', 'x.tmp'].sort(),
    );
  });

  it('subfolders are read when asked for, but never those that files are moved into', async () => {
    const { next, folder, drop, list } = await inbox({ IncludeSubfolders: true });
    mkdirSync(join(folder, 'sub'));
    drop('done/old.eml');
    drop('sub/new.eml');
    const message = await next();
    expect(textOf(message)).toContain('Subject: sub/new.eml');
    await message.confirm();
    expect(list('done')).toEqual(['new.eml', 'old.eml']);
  });

  it('no file in done is ever replaced', async () => {
    const { next, drop, list, folder } = await inbox();
    for (const text of ['first', 'second', 'third']) {
      drop('a.eml', text);
      await (await next()).confirm();
    }
    expect(list('done')).toEqual(['a (2).eml', 'a (3).eml', 'a.eml']);
    expect(readFileSync(join(folder, 'done', 'a (2).eml'), 'utf8')).toBe('second');
  });

  it('of a file over MaxMessageBytes the beginning is received, and the whole file stays even with Delete', async () => {
    const { next, drop, list, folder } = await inbox({ MaxMessageBytes: 1024, AfterReceive: 'Delete' });
    drop('big.eml', 'x'.repeat(5000));
    const message = await next();
    expect(message.content?.cut).toMatchObject({
      size: 5000,
      reason: expect.stringContaining('MaxMessageBytes (1024)'),
    });
    expect(message.bytes).toBeLessThanOrEqual(1025);
    await message.confirm();
    expect(list('done')).toEqual(['big.eml']);
    expect(readFileSync(join(folder, 'done', 'big.eml'))).toHaveLength(5000);
  });
});

describe('only plain files of the folder are received', () => {
  it('no file that is also somebody else’s (a hard link), until that other name is gone', async () => {
    const { next, drop, list, folder, dataDir } = await inbox();
    writeFileSync(join(dataDir, 'private'), 'Subject: private\r\n\r\n');
    linkSync(join(dataDir, 'private'), join(folder, 'linked.eml'));
    drop('plain.eml');
    expect(textOf(await next())).toContain('Subject: plain.eml');
    expect(list()).toContain('linked.eml');
    rmSync(join(dataDir, 'private'));
    expect(textOf(await next())).toContain('Subject: private');
  });

  it.each([
    ['a link', (path: string, secret: string) => symlinkSync(secret, path)],
    ['a hard link', (path: string, secret: string) => linkSync(secret, path)],
    ['a folder', (path: string) => mkdirSync(path)],
    ['a link to itself', (path: string) => symlinkSync(path, path)],
  ])('a claimed file that was exchanged for %s is never read, and the others go on', async (_what, exchange) => {
    const before = await inbox();
    before.drop('a.eml');
    await before.next();
    before.stop.abort();
    writeFileSync(join(before.dataDir, 'secret'), 'the password is canary');
    rmSync(join(before.folder, 'a.eml.$$$'));
    exchange(join(before.folder, 'a.eml.$$$'), join(before.dataDir, 'secret'));
    before.drop('b.eml');
    const after = await inbox({}, before);
    expect(textOf(await after.next())).toContain('Subject: b.eml');
    expect(readFileSync(join(before.dataDir, 'secret'), 'utf8')).toBe('the password is canary');
  });

  it('reading refuses what a name came to stand for after it was looked at', async () => {
    const dir = tempFolder();
    writeFileSync(join(dir, 'file'), 'text');
    symlinkSync(join(dir, 'file'), join(dir, 'link'));
    linkSync(join(dir, 'file'), join(dir, 'other'));
    mkdirSync(join(dir, 'folder'));
    for (const name of ['link', 'other', 'file', 'folder'])
      await expect(readUpTo(join(dir, name), 10)).rejects.toMatchObject({ code: 'drop-folder/no-file' });
    rmSync(join(dir, 'other'));
    expect((await readUpTo(join(dir, 'file'), 10)).raw.toString()).toBe('text');
  });
});

describe('identity', () => {
  it('the same file dropped again, same name, content and time, is a new inbound message', async () => {
    const { next, drop, folder } = await inbox();
    const keys = new Set<string>();
    for (let i = 0; i < 2; i++) {
      drop('a.eml');
      utimesSync(join(folder, 'a.eml'), 1_700_000_000, 1_700_000_000);
      const message = await next();
      keys.add(message.key);
      await message.confirm();
    }
    expect(keys.size).toBe(2);
  });

  it('a file moved back from done is a new inbound message', async () => {
    const { next, drop, folder, driverState } = await inbox();
    drop('a.eml');
    const first = await next();
    driverState.confirmed(first);
    await first.confirm();
    renameSync(join(folder, 'done', 'a.eml'), join(folder, 'a.eml'));
    const again = await next();
    expect(again.key).not.toBe(first.key);
    expect(again.content).not.toBeNull();
  });

  it('a file whose name is still under way waits and is not lost', async () => {
    const { next, drop, list } = await inbox();
    drop('a.eml', 'one');
    const first = await next();
    drop('a.eml', 'two');
    drop('b.eml', 'other');
    expect(textOf(await next())).toBe('other');
    expect(list()).toContain('a.eml');
    await first.confirm();
    expect(textOf(await next())).toBe('two');
  });

  it('after a crash before the ack the file comes again under the same key', async () => {
    const before = await inbox();
    before.drop('a.eml');
    const first = await before.next();
    before.stop.abort();
    const after = await inbox({}, before);
    const again = await after.next();
    expect(again.key).toBe(first.key);
    expect(textOf(again)).toBe(textOf(first));
  });

  it('after a crash between ack and confirm only the confirm is finished', async () => {
    const before = await inbox();
    before.drop('a.eml');
    const first = await before.next();
    before.driverState.acknowledge(first);
    before.stop.abort();
    const after = await inbox({}, before);
    const again = await after.next();
    expect(again).toMatchObject({ key: first.key, content: null, bytes: 0 });
    await again.confirm();
    expect(after.list('done')).toEqual(['a.eml']);
  });

  it('after a crash between the move and its record the journal still gets the record', async () => {
    const before = await inbox();
    before.drop('a.eml');
    const first = await before.next();
    before.driverState.acknowledge(first);
    renameSync(join(before.folder, 'a.eml.$$$'), join(before.folder, 'done', 'a.eml'));
    before.stop.abort();
    const after = await inbox({}, before);
    const again = await after.next();
    expect(again).toMatchObject({ key: first.key, content: null });
    await again.confirm();
    expect(after.list('done')).toEqual(['a.eml']);
  });

  it('a key stays within its 500 characters for the deepest path', async () => {
    const { next, folder, drop } = await inbox({ IncludeSubfolders: true });
    const deep = Array.from({ length: 5 }, () => 'd'.repeat(120)).join('/');
    mkdirSync(join(folder, deep), { recursive: true });
    drop(`${deep}/a.eml`);
    expect((await next()).key.length).toBeLessThanOrEqual(500);
  });
});

async function outbox(written: Record<string, unknown> = {}, dataDir = tempFolder()) {
  const context = contextOf(dropFolder, { FolderName: 'pickup', ...written }, { dataDir, direction: 'O' });
  const session = await dropFolder.open(context);
  const send = (mail = outboundMail('hello'), attempt = attemptOf()) =>
    dropFolder.send?.(session, mail, attempt) ?? Promise.reject(new Error('no send'));
  const lookup = (mail = outboundMail('hello')) => dropFolder.lookup?.(session, mail, attemptOf());
  const folder = join(dataDir, 'pickup');
  return { send, lookup, folder, list: () => readdirSync(folder) };
}

describe('writing', () => {
  it('the file holds the mail byte for byte, under its Message-ID, and nothing else is left in the folder', async () => {
    const { send, list, folder } = await outbox();
    const mail = outboundMail('hello');
    expect(await send(mail)).toMatchObject({ kind: 'sent', deliverySystemId: 'hello@conformance.test' });
    expect(list()).toHaveLength(1);
    expect(readFileSync(join(folder, list()[0] ?? '')).equals(Buffer.from(mail.raw))).toBe(true);
  });

  it('the same mail again is still one file; another Message-ID is another, however alike', async () => {
    const { send, list } = await outbox();
    await send();
    await send();
    expect(list()).toHaveLength(1);
    await send({ ...outboundMail('hello'), messageId: '<a/b@x>' });
    await send({ ...outboundMail('hello'), messageId: '<a:b@x>' });
    expect(list()).toHaveLength(3);
  });

  it('a Message-ID cannot lead out of the folder', () => {
    const path = pathOf('/pickup', { ...outboundMail('x'), messageId: '<../../etc/passwd>' });
    expect(path).toMatch(/^\/pickup\/[^/]+\.eml$/);
  });

  it.skipIf(process.platform === 'win32')('a link under the name of the draft leads to no other file', async () => {
    const dir = tempFolder();
    const [victim, target] = [join(dir, 'victim'), join(dir, 'mail.eml')];
    writeFileSync(victim, 'precious');
    for (const [at, plant] of [
      () => symlinkSync(victim, draftOf(target)),
      () => linkSync(victim, draftOf(target)),
    ].entries()) {
      plant();
      expect(await writeWhole(target, [Buffer.from(`mail ${at}`)], () => true)).toBe(true);
      expect(readFileSync(victim, 'utf8')).toBe('precious');
      expect(readFileSync(target, 'utf8')).toBe(`mail ${at}`);
    }
  });

  it('an attempt that is over before the file has its name is deferred, and no file is there', async () => {
    const { send, list } = await outbox();
    const attempt = attemptOf();
    attempt.abort();
    expect((await send(outboundMail('late'), attempt)).kind).toBe('deferred');
    expect(list()).toEqual([]);
  });

  it('a folder that cannot be written is deferred with the reason', async () => {
    const { send, folder } = await outbox();
    renameSync(folder, `${folder}-away`);
    expect(await send()).toMatchObject({ kind: 'deferred', detail: expect.stringContaining('ENOENT') });
  });

  it('with EnvelopeHeaders the file names sender and every recipient, hidden ones included', async () => {
    const { send, folder, list } = await outbox({ EnvelopeHeaders: true });
    const mail = { ...outboundMail('hello'), recipients: ['anna@example.net', 'hidden@example.net'] };
    expect((await send(mail)).kind).toBe('sent');
    const text = readFileSync(join(folder, list()[0] ?? ''), 'utf8');
    expect(
      text.startsWith(
        'X-Sender: desk@example.test\r\nX-Receiver: anna@example.net\r\nX-Receiver: hidden@example.net\r\nFrom:',
      ),
    ).toBe(true);
  });

  it('without EnvelopeHeaders a Bcc recipient is rejected by name', async () => {
    const { send, list } = await outbox();
    const mail = { ...outboundMail('hello'), recipients: ['anna@example.net', 'hidden@example.net'] };
    expect(await send(mail)).toMatchObject({
      kind: 'partial',
      accepted: ['anna@example.net'],
      refused: [{ recipient: 'hidden@example.net', temporary: false }],
    });
    const only = { ...outboundMail('second'), recipients: ['hidden@example.net'] };
    expect((await send(only)).kind).toBe('rejected');
    expect(list()).toHaveLength(1);
  });

  it('a Bcc recipient whose address is the end of another recipient is rejected by name, too', async () => {
    const { send } = await outbox();
    const mail = { ...outboundMail('hello'), recipients: ['anna@example.net', 'a@example.net'] };
    expect(await send(mail)).toMatchObject({ kind: 'partial', refused: [{ recipient: 'a@example.net' }] });
  });

  it('lookup: a file that exists was sent, a draft was not, without either the outcome stays unknown', async () => {
    const { send, lookup, folder } = await outbox();
    expect(await lookup()).toMatchObject({ kind: 'unknown' });
    writeFileSync(`${pathOf(folder, outboundMail('hello'))}.part`, 'half');
    expect(await lookup()).toBe('not found');
    await send();
    expect(await lookup()).toMatchObject({ kind: 'sent', deliverySystemId: 'hello@conformance.test' });
  });
});

describe('where files are moved to', () => {
  const problemsOf = (written: Record<string, unknown>) => {
    const parsed = dropFolder.settings.parse(written);
    return parsed.ok ? [] : parsed.problems.map(({ setting }) => setting);
  };

  it.each([
    ['MoveTo is FolderName', { FolderName: '/in', MoveTo: '/in/' }, ['MoveTo']],
    ['MoveTo is above FolderName', { FolderName: '/in/drop', MoveTo: '/in' }, ['MoveTo']],
    ['RefuseTo is far above FolderName', { FolderName: '/in/a/drop', RefuseTo: '/' }, ['RefuseTo']],
    ['both, relative', { FolderName: 'in/drop', MoveTo: 'in', RefuseTo: '.' }, ['MoveTo', 'RefuseTo']],
    ['inside FolderName', { FolderName: '/in', MoveTo: '/in/done', RefuseTo: '/in/no/really' }, []],
    ['beside FolderName', { FolderName: '/in/drop', MoveTo: '/in/done', RefuseTo: '/in/drop-refused' }, []],
    ['beside FolderName, relative', { FolderName: 'drop', MoveTo: '../drop' }, []],
    ['above, but known only with the data folder', { FolderName: 'drop', MoveTo: '/data' }, []],
  ])('%s', (_where, written, problems) => expect(problemsOf(written)).toEqual(problems));

  it('a folder above FolderName is rejected with one sentence when the gateway opens and when it is tested', async () => {
    const dataDir = tempFolder();
    mkdirSync(join(dataDir, 'drop'));
    symlinkSync(dataDir, join(dataDir, 'drop', 'up'));
    for (const MoveTo of [dataDir, join(dataDir, 'drop', 'up')]) {
      const context = contextOf(dropFolder, { FolderName: 'drop', MoveTo }, { dataDir });
      const sentence = expect.stringMatching(/^MoveTo must not be FolderName or a folder above it[^\n]+$/);
      await expect(dropFolder.open(context)).rejects.toMatchObject({ message: sentence });
      const steps = [];
      for await (const step of dropFolder.check(context, new AbortController().signal)) steps.push(step);
      expect(steps.at(-1)).toMatchObject({ ok: false, detail: sentence });
    }
  });

  it('a folder inside FolderName that is reached through a link is not received again', async () => {
    const dataDir = tempFolder();
    mkdirSync(join(dataDir, 'drop', 'archive'), { recursive: true });
    symlinkSync(join(dataDir, 'drop', 'archive'), join(dataDir, 'link'));
    const { next, drop, list } = await inbox({ IncludeSubfolders: true, MoveTo: 'link' }, { dataDir });
    drop('a.eml');
    await (await next()).confirm();
    expect(list('archive')).toEqual(['a.eml']);
    drop('b.eml');
    expect(textOf(await next())).toContain('Subject: b.eml');
  });
});

describe('settings', () => {
  it('.msg files are rejected', () => {
    expect(dropFolder.settings.parse({ FolderName: '/in', extension: '.msg' })).toMatchObject({
      ok: false,
      problems: [{ setting: 'extension', message: expect.stringContaining('save them as .eml') }],
    });
  });
});
