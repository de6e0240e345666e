import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { certificate, tempDir } from '../../../test/conformance/context.js';
import { readCa, readPem } from './tls.js';

const folder = tempDir();
afterAll(folder.remove);

it('reads a certificate and a key by a relative and an absolute path', async () => {
  const { cert, key, keyFile } = await certificate(folder.dir);
  expect(await readCa('cert.pem', folder.dir)).toBe(cert);
  const pem = { setting: 'KeyFile', path: keyFile, folder: '/nowhere', kind: 'private key' } as const;
  expect(await readPem(pem)).toBe(key);
});

it('has no authority when the setting is absent', async () => {
  expect(await readCa(undefined, folder.dir)).toBeUndefined();
});

it('names the setting and the file when the file is missing, is a folder, or holds something else', async () => {
  await expect(readCa('missing.pem', folder.dir)).rejects.toThrow(
    `CaFile: cannot read ${join(folder.dir, 'missing.pem')}: ENOENT`,
  );
  mkdirSync(join(folder.dir, 'folder'));
  await expect(readCa('folder', folder.dir)).rejects.toThrow(/CaFile: cannot read .*EISDIR/);
  writeFileSync(join(folder.dir, 'text.pem'), 'hello');
  await expect(readCa('text.pem', folder.dir)).rejects.toThrow(/CaFile: .*text\.pem holds no certificate in PEM form/);
});

it('does not take a certificate for a key', async () => {
  const { certFile } = await certificate(folder.dir);
  const key = readPem({ setting: 'KeyFile', path: certFile, folder: folder.dir, kind: 'private key' });
  await expect(key).rejects.toThrow('holds no private key in PEM form');
});
