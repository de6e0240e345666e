import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assertPath, judgePath } from './folders.js';

const rules = {
  allowed: [],
  dataDir: '/data',
  ownFiles: ['/data/secret-hosts', '/data/journal.db', '/etc/gatepost/s'],
};

describe('which folders gateways may use', () => {
  it.each([
    ['/data/drop', 'mail', 'allowed'],
    ['/data/drop/done', 'mail', 'allowed'],
    ['/data/pickup', 'mail', 'allowed'],
    ['/data/certificates/ca.pem', 'certificate', 'allowed'],
    ['/data/documents', 'document', 'allowed'],
    ['/data/drop', 'certificate', 'outside'],
    ['/data/certificates', 'mail', 'outside'],
    ['/data/dropped', 'mail', 'outside'],
    ['/home/somebody/.ssh', 'mail', 'outside'],
    ['/data', 'mail', 'own'],
    ['/', 'mail', 'own'],
    ['/data/journal.db', 'certificate', 'own'],
    ['/data/secret-hosts/smtp', 'certificate', 'own'],
    ['/etc/gatepost', 'mail', 'own'],
    ['/etc/gatepost/s/password', 'certificate', 'own'],
  ] as const)('%s for %s is %s', (path, use, verdict) => expect(judgePath(path, use, rules)).toBe(verdict));

  it.each([
    ['/srv/mail/in', 'allowed'],
    ['/srv/mailbox', 'outside'],
    ['/data/drop', 'outside'],
    ['/etc/gatepost/s/x', 'own'],
  ] as const)('with folders allowed by name, %s is %s', (path, verdict) => {
    expect(judgePath(path, 'mail', { ...rules, allowed: ['/srv/mail', '/etc/gatepost'] })).toBe(verdict);
  });
});

describe('real paths count', () => {
  let dir: string;
  beforeEach(() => {
    dir = realpathSync(mkdtempSync(join(tmpdir(), 'gatepost-folders-')));
    mkdirSync(join(dir, 'data', 'drop'), { recursive: true });
    mkdirSync(join(dir, 'data', 'secrets'));
    mkdirSync(join(dir, 'elsewhere'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const judged = (path: string) =>
    assertPath(path, 'mail', {
      allowed: [],
      dataDir: join(dir, 'data'),
      ownFiles: [join(dir, 'data', 'secrets')],
    });

  it('a folder that does not exist yet is judged by the part that does', async () => {
    await expect(judged('drop/new/deeper')).resolves.toBeUndefined();
    await expect(judged('drop/../../elsewhere/new')).rejects.toMatchObject({ code: 'policy/folder' });
  });

  it.each([
    ['a link out of the allowed folder', 'elsewhere', 'outside the folders'],
    ['a link to the secrets', 'data/secrets', 'files of the connector itself'],
    ['a link to the data folder', 'data', 'files of the connector itself'],
    ['a link that leads nowhere', 'not-there', 'leads nowhere'],
  ])('%s', async (_what, target, sentence) => {
    symlinkSync(join(dir, target), join(dir, 'data', 'drop', 'link'));
    await expect(judged('drop/link')).rejects.toThrow(sentence);
    if (target !== 'not-there')
      await expect(judged('drop/link/below')).rejects.toMatchObject({ code: 'policy/folder' });
  });

  it('an allowed folder may itself be a link', async () => {
    rmSync(join(dir, 'data', 'drop'), { recursive: true });
    symlinkSync(join(dir, 'elsewhere'), join(dir, 'data', 'drop'));
    // The usual folders are compared as they are named: a link there needs policy.folders.
    await expect(judged('drop')).rejects.toMatchObject({ code: 'policy/folder' });
    const named = { allowed: [join(dir, 'data', 'drop')], dataDir: join(dir, 'data'), ownFiles: [] };
    await expect(assertPath('drop/in', 'mail', named)).resolves.toBeUndefined();
  });

  it('a file on the way is no folder', async () => {
    writeFileSync(join(dir, 'data', 'drop', 'file'), '');
    await expect(judged('drop/file/x')).rejects.toThrow();
  });
});
