import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { redactor } from '../../kit/redact.js';
import { secretStore } from './secret-store.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatepost-secrets-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function create() {
  const rows = new Map<string, unknown>();
  const journal = {
    getCheckpoint: async (_: string, __: 'I' | 'O', name: string) => rows.get(name),
    putCheckpoint: async (_: string, __: 'I' | 'O', name: string, value: unknown) => void rows.set(name, value),
  };
  const hidden = redactor();
  return { rows, hidden, store: secretStore({ journal, folder: join(folder, 'secrets'), redactor: hidden }) };
}

describe('stored secrets', () => {
  it('are read back, are not to be found in the journal, and are hidden in the log', async () => {
    const { rows, hidden, store } = create();
    expect(await store.get('a')).toBeUndefined();
    await store.put('a', 'refresh-token-1');
    expect(await store.get('a')).toBe('refresh-token-1');
    expect(JSON.stringify([...rows])).not.toContain('refresh-token-1');
    expect(hidden.redact('token refresh-token-1')).not.toContain('refresh-token-1');
    expect(statSync(join(folder, 'secrets', 'stored-secrets.key')).mode & 0o777).toBe(0o600);
  });

  it('cannot be exchanged for one another in the journal', async () => {
    const { rows, store } = create();
    await store.put('a', 'token of a');
    rows.set('b', rows.get('a'));
    await expect(store.get('b')).rejects.toMatchObject({ code: 'secret/store' });
  });

  it('with another key are refused with what to do', async () => {
    const { store } = create();
    await store.put('a', 'token of a');
    const path = join(folder, 'secrets', 'stored-secrets.key');
    writeFileSync(
      path,
      readFileSync(path, 'utf8').replace(/^./, (digit) => (digit === '0' ? '1' : '0')),
    );
    await expect(store.get('a')).rejects.toMatchObject({ advice: expect.stringContaining('gatepost oauth') });
    writeFileSync(path, 'nonsense');
    await expect(store.get('a')).rejects.toMatchObject({ message: expect.stringContaining('64 hexadecimal digits') });
  });
});
