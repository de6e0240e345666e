// No gateway reaches the connector's own files, even where an administrator allows the folder that holds them.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { smtpListener } from '../gateways/smtp-listener/driver.js';
import { loadConfig } from './config.js';
import { policyOf } from './policy-settings.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatepost-own-'));
  for (const name of ['data', 'data/secret-hosts', 'data/attachments', 'data/drop', 'secrets'])
    mkdirSync(join(folder, name));
  for (const name of ['data/journal.db', 'data/link.key', 'data/secret-hosts/one', 'secrets/password'])
    writeFileSync(join(folder, name), '');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function problemsWith(path: string): Promise<string> {
  const file = join(folder, 'gatepost.yaml');
  writeFileSync(
    file,
    `server: { mode: remote }\ndataDir: data\nsecretsDir: secrets\npolicy: { folders: [${folder}, /] }\n`,
  );
  const policy = policyOf(loadConfig(file, {}), { remembers: false });
  const parsed = smtpListener.settings.parse({ Port: 2525, Security: 'Tls', CertFile: path, KeyFile: path });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const problems = await policy.problemsOf({ driver: smtpListener, settings: parsed.settings });
  return problems.map(({ message }) => message).join('; ');
}

const OWN = [
  ...['.', 'journal.db', 'journal.db-wal', 'journal.db-shm', 'link.key', 'gatepost.lock', 'crashes.json', 'reading'],
  ...['attachments', 'attachments/some', 'secret-hosts', 'secret-hosts/one', 'frontdesk.db', 'frontdesk.db-wal'],
];

it.each(OWN)('data/%s is refused, also by a link', async (name) => {
  expect(await problemsWith(join(folder, 'data', name))).toContain('files of the connector itself');
  symlinkSync(join(folder, 'data', name), join(folder, 'link'));
  expect(await problemsWith(join(folder, 'link'))).toMatch(/files of the connector itself|leads nowhere/);
});

it.each(['secrets', 'secrets/password', 'secrets/not-yet', 'gatepost.yaml', '.', '/'])(
  '%s is refused',
  async (name) => {
    const path = name === '/' ? name : join(folder, name);
    expect(await problemsWith(path)).toContain('files of the connector itself');
  },
);

it('a file beside them is allowed', async () => {
  expect(await problemsWith(join(folder, 'data', 'drop', 'mail.pem'))).toBe('');
});
