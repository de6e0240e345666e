// Secrets that a counterparty gives while the service runs (a new refresh token): encrypted in the journal, the key in a file of
// the secrets folder, so that a copy of the journal alone reveals nothing.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SecretStore } from '../../driver/contract.js';
import type { Journal } from '../../journal/types/journal.js';
import { codeOf, GatepostError, messageOf } from '../../kit/errors.js';
import type { Redactor } from '../../kit/redact.js';

const KEY_FILE = 'stored-secrets.key';
const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** In the journal these belong to no gateway: accounts are shared. No gateway has an id with a colon. */
const OWNER = ':secrets';

export interface SecretStoreDeps {
  readonly journal: Pick<Journal, 'getCheckpoint' | 'putCheckpoint'>;
  readonly folder: string;
  readonly redactor: Redactor;
}

export function secretStore({ journal, folder, redactor }: SecretStoreDeps): SecretStore {
  return {
    async get(name) {
      const sealed = await journal.getCheckpoint(OWNER, 'I', name);
      if (typeof sealed !== 'string') return undefined;
      const secret = unseal(sealed, name, keyIn(folder));
      redactor.add(secret);
      return secret;
    },
    async put(name, secret) {
      redactor.add(secret);
      await journal.putCheckpoint(OWNER, 'I', name, seal(secret, name, keyIn(folder)));
    },
  };
}

/** The key, made at first need. */
function keyIn(folder: string): Buffer {
  const path = join(folder, KEY_FILE);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(path, randomBytes(KEY_BYTES).toString('hex'), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST' && codeOf(error) !== 'EROFS') throw unusable(path, messageOf(error), error);
  }
  return readKey(path);
}

function readKey(path: string): Buffer {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw unusable(path, messageOf(error), error);
  }
  const key = Buffer.from(text.trim(), 'hex');
  if (key.length !== KEY_BYTES) throw unusable(path, `it does not hold ${2 * KEY_BYTES} hexadecimal digits`);
  return key;
}

function unusable(path: string, why: string, cause?: unknown): GatepostError {
  return new GatepostError('secret/store', `the key file ${path} cannot be used: ${why}`, {
    advice: 'Let the service write into its secrets folder, or restore the file from the backup.',
    cause,
  });
}

/** The name is bound to the value: a row of the journal that was exchanged for another is not accepted. */
function seal(secret: string, name: string, key: Buffer): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(name));
  const body = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64url');
}

function unseal(sealed: string, name: string, key: Buffer): string {
  const bytes = Buffer.from(sealed, 'base64url');
  const [iv, tag] = [bytes.subarray(0, IV_BYTES), bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES)];
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(name)).setAuthTag(tag);
    return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8');
  } catch (error) {
    throw new GatepostError('secret/store', `a stored secret cannot be decrypted with ${KEY_FILE}`, {
      advice: 'Restore the key file that belongs to this journal, or sign in again with `gatepost oauth`.',
      cause: error,
    });
  }
}
