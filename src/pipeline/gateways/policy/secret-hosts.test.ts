import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inMemory, judgeSecret, type SecretUse, secretHostsFile } from './secret-hosts.js';

const A: SecretUse = { hosts: ['a.example'], plaintext: false };
const PLAIN: SecretUse = { hosts: [], plaintext: true };

describe('where a secret may go', () => {
  it.each([
    ['the first host', 'a.example', true, undefined, undefined, 'first use'],
    ['the same host again', 'a.example', true, undefined, A, 'allowed'],
    ['the same host in capitals', 'A.Example.', true, undefined, A, 'allowed'],
    ['another host', 'b.example', true, undefined, A, 'other host'],
    ['a host of the configuration', 'a.example', true, A, undefined, 'allowed'],
    ['a host that the configuration does not name', 'b.example', true, A, undefined, 'other host'],
    [
      'a host that was allowed beside the configuration',
      'b.example',
      true,
      A,
      { ...A, hosts: ['b.example'] },
      'allowed',
    ],
    ['a name that only begins alike', 'a.example.evil.test', true, undefined, A, 'other host'],
    ['a first host without TLS', 'a.example', false, undefined, undefined, 'plaintext'],
    ['its own host without TLS', 'a.example', false, undefined, A, 'plaintext'],
    ['this machine without TLS', '127.0.0.1', false, undefined, undefined, 'first use'],
    ['without TLS, allowed by name', 'a.example', false, PLAIN, undefined, 'first use'],
    ['without TLS, allowed later', 'a.example', false, undefined, { ...A, plaintext: true }, 'allowed'],
    ['allowed without TLS, but to another host', 'b.example', false, PLAIN, A, 'other host'],
  ] as const)('%s', (_what, host, isProtected, configured, known, verdict) => {
    expect(judgeSecret({ host, isProtected }, configured, known)).toBe(verdict);
  });
});

describe('what is remembered', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gatepost-secret-hosts-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const store = () => secretHostsFile(join(folder, 'secret-hosts'));

  it('survives a restart, and a second first use does not change it', () => {
    store().remember('smtp', ['A.example']);
    store().remember('smtp', ['b.example']);
    expect(store().of('smtp')).toEqual({ hosts: ['a.example'], plaintext: false });
    expect(store().of('other')).toBeUndefined();
  });

  it('grows by what an operator allows, and is forgotten when told to', () => {
    store().remember('smtp', ['a.example']);
    store().allow('smtp', 'B.example.', false);
    store().allow('smtp', 'c.example', true);
    expect(store().of('smtp')).toEqual({ hosts: ['a.example', 'b.example', 'c.example'], plaintext: true });
    expect(store().names()).toEqual(['smtp']);
    expect([store().forget('smtp'), store().forget('smtp')]).toEqual([true, false]);
    expect(store().of('smtp')).toBeUndefined();
  });

  it('is readable for its owner only', () => {
    store().remember('smtp', ['a.example']);
    const mode = (path: string) => statSync(join(folder, path)).mode & 0o777;
    expect([mode('secret-hosts'), mode('secret-hosts/smtp')]).toEqual([0o700, 0o600]);
    expect(readFileSync(join(folder, 'secret-hosts', 'smtp'), 'utf8')).toBe('a.example\n');
  });

  it.each(['../smtp', 'a/b', '', '.hidden', 'a b'])('no file is made for %j, which is no name', (name) => {
    expect(() => store().remember(name, ['a.example'])).toThrow('is not the name of a secret');
  });

  it('a host with a line end or a slash is refused', () => {
    for (const host of ['a\nb.example', 'a/b', ''])
      expect(() => store().allow('smtp', host, false)).toThrow('is not a host');
  });

  it('that cannot be stored is an error: the secret must not go out unremembered', () => {
    writeFileSync(join(folder, 'file'), '');
    mkdirSync(join(folder, 'real'));
    symlinkSync(join(folder, 'nowhere', 'x'), join(folder, 'real', 'smtp'));
    expect(() => secretHostsFile(join(folder, 'file', 'x')).remember('smtp', ['a.example'])).toThrow();
  });

  it('a file without a line, left by a crash or a full disk, does not open the secret to every host', () => {
    mkdirSync(join(folder, 'secret-hosts'));
    writeFileSync(join(folder, 'secret-hosts', 'smtp'), '');
    store().remember('smtp', ['a.example']);
    expect(store().of('smtp')).toEqual({ hosts: ['a.example'], plaintext: false });
    store().remember('smtp', ['b.example']);
    expect(store().of('smtp')).toEqual({ hosts: ['a.example'], plaintext: false });
  });

  it('a command that only checks remembers nothing on disk', () => {
    const checking = inMemory(store());
    checking.remember('smtp', ['a.example']);
    expect(checking.of('smtp')?.hosts).toEqual(['a.example']);
    expect(store().of('smtp')).toBeUndefined();
  });
});
