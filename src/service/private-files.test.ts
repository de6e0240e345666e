import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../config.js';
import { silentLog } from '../kit/log.js';
import { plaintextWarning } from '../server-settings.js';
import { assertSecretsPrivate, tightenFiles } from './private-files.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatepost-private-'));
  mkdirSync(join(folder, 'data', 'attachments'), { recursive: true });
  mkdirSync(join(folder, 'data', 'drop'));
  mkdirSync(join(folder, 'secrets'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const configOf = (text = '') => {
  writeFileSync(join(folder, 'gatepost.yaml'), `dataDir: data\n${text}`);
  return loadConfig(join(folder, 'gatepost.yaml'), {});
};
const mode = (path: string) => statSync(join(folder, path)).mode & 0o777;

describe('files of the connector', () => {
  it('of an earlier version lose the rights of other users; the folders of gateways and the configuration stay', () => {
    const config = configOf();
    const own = ['data/journal.db', 'data/journal.db-wal', 'data/frontdesk.db', 'data/link.key'];
    for (const name of own) writeFileSync(join(folder, name), '');
    for (const name of own) chmodSync(join(folder, name), 0o644);
    chmodSync(join(folder, 'data'), 0o775);
    chmodSync(join(folder, 'data/attachments'), 0o755);
    chmodSync(join(folder, 'data/drop'), 0o777);
    chmodSync(join(folder, 'gatepost.yaml'), 0o644);
    tightenFiles(config, silentLog);
    expect(own.map(mode)).toEqual([0o600, 0o600, 0o600, 0o600]);
    expect([mode('data'), mode('data/attachments'), mode('data/drop'), mode('gatepost.yaml')]).toEqual([
      0o750, 0o700, 0o777, 0o644,
    ]);
  });

  it('that are not there are no failure', () => {
    rmSync(join(folder, 'data'), { recursive: true });
    expect(() => tightenFiles(configOf(), silentLog)).not.toThrow();
  });
});

describe('a secrets folder', () => {
  it.each([0o755, 0o705, 0o701, 0o777, 0o704])(
    'that others can read or pass (%o) is refused, with the command',
    (rights) => {
      chmodSync(join(folder, 'secrets'), rights);
      expect(() => assertSecretsPrivate(configOf())).toThrow('can be read by other users');
      expect(() => assertSecretsPrivate(configOf('policy: { openSecretsDir: true }\n'))).not.toThrow();
    },
  );

  it.each([0o700, 0o750, 0o500])('of its user (%o) is accepted, and so is none', (rights) => {
    chmodSync(join(folder, 'secrets'), rights);
    expect(() => assertSecretsPrivate(configOf())).not.toThrow();
    rmSync(join(folder, 'secrets'), { recursive: true });
    expect(() => assertSecretsPrivate(configOf())).not.toThrow();
  });
});

describe('the connection to the server', () => {
  it.each([
    ['a remote server', 'mode: remote, host: server.example.com', true, null],
    ['a remote server on this machine', 'mode: remote, host: 127.0.0.1', false, null],
    ['a remote server, told to be plain', 'mode: remote, host: server.example.com, tls: false', false, 'not encrypted'],
    ['any certificate', 'mode: remote, host: server.example.com, tlsVerify: false', true, 'accepts any certificate'],
    ['the embedded server', 'mode: embedded', false, null],
    ['the embedded server for other machines', 'mode: embedded, host: 0.0.0.0', false, 'not encrypted'],
  ])('to %s', (_what, server, tls, warning) => {
    const config = configOf(`server: { ${server} }\n`);
    expect(config.server.tls).toBe(tls);
    if (warning === null) expect(plaintextWarning(config)).toBeNull();
    else expect(plaintextWarning(config)).toContain(warning);
  });
});

it('the sample configuration can be read as it is, and holds every default', () => {
  const sample = fileURLToPath(new URL('../../config/gatepost.yaml', import.meta.url));
  expect(loadConfig(sample, {}).policy).toEqual(loadConfig(null, {}).policy);
});
