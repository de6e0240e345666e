// Links to attachments are bearer links: only id and expiry are signed and believed, the name in a link is for show.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { link as hardLink, mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../kit/clock.js';
import { codeOf, GatepostError, messageOf } from '../kit/errors.js';
import { percentEncoded, safeName } from './names.js';

/** As long as the SHA-256 block makes worth while: the strength of the signature is this long (RFC 2104 section 3). */
const KEY_BYTES = 32;
/** Characters of the name shown in a link: long links are broken by mail programs. */
const SHOWN_NAME = 60;
/** Signed with every link, so that the key can sign other things later without one passing for the other. */
const PURPOSE = 'gatepost-attachment/1';
const DAY_MS = 86_400_000;

export type LinkVerdict = 'ok' | 'expired' | 'forged';

export interface LinkSigner {
  /**
   * The absolute URL of an attachment, valid from `issuedAt` (ms since the epoch), now when absent, for `days`, but never
   * longer than the signer's lifetime: the file is removed then.
   */
  link(attachment: { id: string; name: string }, issuedAt?: number, days?: number): string;
  /**
   * `expires` in seconds since the epoch, as it stands in the link. A link is judged for forgery before age. `waitedMs`: how
   * long the message of the attachment was on its way to the server; its links work that much longer.
   */
  verify(id: string, expires: string, signature: string, waitedMs?: number): LinkVerdict;
}

export interface LinkOptions {
  /** From `loadLinkKey`. */
  key: Buffer;
  /** Where agents reach the HTTP port, without a slash at the end; asked for with every link. */
  baseUrl: () => string;
  clock: Clock;
  lifetimeMs: number;
}

export function linkSigner({ key, baseUrl, clock, lifetimeMs }: LinkOptions): LinkSigner {
  const sign = (id: string, expires: string) =>
    createHmac('sha256', key).update(`${PURPOSE}\n${expires}\n${id}`).digest('base64url');
  return {
    link({ id, name }, issuedAt = clock.now(), days) {
      const lifetime = days === undefined ? lifetimeMs : Math.min(days * DAY_MS, lifetimeMs);
      const expires = String(Math.floor((issuedAt + lifetime) / 1000));
      const shown = percentEncoded(safeName(name, SHOWN_NAME));
      return `${baseUrl()}/attachments/${percentEncoded(id)}/${shown}?expires=${expires}&signature=${sign(id, expires)}`;
    },
    verify(id, expires, signature, waitedMs = 0) {
      if (!/^\d{1,12}$/.test(expires) || !same(signature, sign(id, expires))) return 'forged';
      return Number(expires) * 1000 + waitedMs <= clock.now() ? 'expired' : 'ok';
    },
  };
}

/** Constant-time comparison. */
function same(given: string, right: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/**
 * Reads the signing key from its file, or makes one on first use: readable by the owner only, and never half written.
 * Throws `http/link-key` when the file cannot be read, made, or is not a key.
 */
export async function loadLinkKey(path: string): Promise<Buffer> {
  try {
    const key = (await readKey(path)) ?? (await createKey(path));
    if (key.length === KEY_BYTES) return key;
  } catch (error) {
    throw new GatepostError('http/link-key', `the key of attachment links cannot be used: ${messageOf(error)}`, {
      advice: `make ${path} and its folder readable and writable for this program`,
      cause: error,
    });
  }
  throw new GatepostError(
    'http/link-key',
    `${path} is not a key of attachment links: it must hold ${KEY_BYTES} bytes`,
    {
      advice: 'restore it from a backup, or delete it: a new one is made and links sent so far stop working',
    },
  );
}

async function readKey(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Written whole under another name first; the hard link fails if another process was faster, whose key then counts. */
async function createKey(path: string): Promise<Buffer> {
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${randomBytes(6).toString('hex')}.new`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(randomBytes(KEY_BYTES));
      await file.sync();
    } finally {
      await file.close();
    }
    await hardLink(draft, path).catch((error) => {
      if (codeOf(error) !== 'EEXIST') throw error;
    });
  } finally {
    await rm(draft, { force: true });
  }
  return readFile(path);
}
