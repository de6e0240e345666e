import { mkdtemp, readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { linkSigner, loadLinkKey } from './links.js';
import { publicUrl } from './public-url.js';

const HOUR = 3_600_000;

function signer(baseUrl = 'https://files.example.com/gatepost/', key = Buffer.alloc(32, 1)) {
  const clock = manualClock();
  const address = publicUrl(baseUrl);
  const links = linkSigner({ key, baseUrl: () => address.base, clock, lifetimeMs: HOUR });
  const made = (id: string, name = 'a.pdf') => {
    const url = new URL(links.link({ id, name }));
    return {
      url,
      expires: url.searchParams.get('expires') ?? '',
      signature: url.searchParams.get('signature') ?? '',
    };
  };
  return { clock, links, made };
}

describe('links to attachments', () => {
  test('a link leads below the base address and carries id, name, expiry in seconds and signature', () => {
    const { made, clock } = signer();
    const { url, expires, signature } = made('abc');
    expect(`${url.origin}${url.pathname}`).toBe('https://files.example.com/gatepost/attachments/abc/a.pdf');
    expect(Number(expires)).toBe((clock.now() + HOUR) / 1000);
    expect(signature).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  test('a gateway may give its links a shorter time, never one longer than files are stored', () => {
    const { links, clock } = signer();
    const long = linkSigner({ key: Buffer.alloc(32, 1), baseUrl: () => 'http://x', clock, lifetimeMs: 10 * 24 * HOUR });
    const hoursOf = (link: string) => (Number(new URL(link).searchParams.get('expires')) * 1000 - clock.now()) / HOUR;
    const file = { id: 'abc', name: 'a.pdf' };
    expect(hoursOf(long.link(file, clock.now(), 2))).toBe(48);
    expect(hoursOf(long.link(file, clock.now()))).toBe(240);
    expect(hoursOf(long.link(file, clock.now(), 30))).toBe(240);
    expect(hoursOf(links.link(file, clock.now(), 1))).toBe(1);
  });

  test('a link keeps the time that is signed into it, whatever the setting says later', async () => {
    const { clock } = signer();
    const before = linkSigner({ key: Buffer.alloc(32, 1), baseUrl: () => 'http://x', clock, lifetimeMs: 240 * HOUR });
    const query = new URL(before.link({ id: 'abc', name: 'a' }, clock.now(), 2)).searchParams;
    const after = linkSigner({ key: Buffer.alloc(32, 1), baseUrl: () => 'http://x', clock, lifetimeMs: HOUR });
    const verdict = () => after.verify('abc', query.get('expires') ?? '', query.get('signature') ?? '');
    await clock.advance(48 * HOUR - 1);
    expect(verdict()).toBe('ok');
    await clock.advance(1);
    expect(verdict()).toBe('expired');
  });

  test('a link is good until its very last millisecond and expired from then on', async () => {
    const { links, made, clock } = signer();
    const { expires, signature } = made('abc');
    await clock.advance(HOUR - 1);
    expect(links.verify('abc', expires, signature)).toBe('ok');
    await clock.advance(1);
    expect(links.verify('abc', expires, signature)).toBe('expired');
  });

  test('another id, a later expiry, a changed, shortened or missing signature are forged', () => {
    const { links, made } = signer();
    const { expires, signature } = made('abc');
    const changed = (signature.startsWith('A') ? 'B' : 'A') + signature.slice(1);
    expect(links.verify('abd', expires, signature)).toBe('forged');
    expect(links.verify('abc', String(Number(expires) + 1), signature)).toBe('forged');
    for (const wrong of [changed, signature.slice(0, -1), `${signature}=`, `${signature}A`, ''])
      expect(links.verify('abc', expires, wrong)).toBe('forged');
  });

  test('an expiry that is no plain number is forged, however it was signed', () => {
    const { links, made } = signer();
    const { expires, signature } = made('abc');
    for (const odd of [`+${expires}`, ` ${expires}`, `${expires}.0`, '-1', '1e12', '', '9'.repeat(13)])
      expect(links.verify('abc', odd, signature)).toBe('forged');
  });

  test('a link signed with another key is forged, and a forged link is never called expired', async () => {
    const other = signer(undefined, Buffer.alloc(32, 2)).made('abc');
    const { links, clock } = signer();
    await clock.advance(2 * HOUR);
    expect(links.verify('abc', other.expires, other.signature)).toBe('forged');
  });

  test('a hostile name stays one harmless part of the path', () => {
    const { made } = signer('http://h');
    for (const name of [
      '../../etc/passwd',
      '..',
      'a/b?c=d#e',
      '"><script>',
      "it's (new).pdf",
      '\ud800.txt',
      'a\r\nb',
      '',
    ]) {
      const { url } = made('abc', name);
      expect(url.pathname).toMatch(/^\/attachments\/abc\/[A-Za-z0-9_.~%-]+$/);
      expect([...url.searchParams.keys()]).toEqual(['expires', 'signature']);
    }
  });

  test('a long name is shortened in the link and keeps its ending', () => {
    const { url } = signer('http://h').made('abc', `${'😀'.repeat(500)}.pdf`);
    expect(url.href.length).toBeLessThan(1_000);
    expect(url.pathname.endsWith('.pdf')).toBe(true);
  });

  test('an invalid base address is an error with advice', () => {
    for (const wrong of ['files.example.com', 'ftp://h', 'javascript:alert(1)', 'https://h/?a=b'])
      expect(() => signer(wrong)).toThrow(expect.objectContaining({ code: 'http/base-url' }));
  });
});

describe('the signing key', () => {
  let dir = '';
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'gatepost-key-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  test('is made on first use, for the owner only, and is the same ever after', async () => {
    const path = join(dir, 'new', 'link.key');
    const key = await loadLinkKey(path);
    expect(key).toHaveLength(32);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await loadLinkKey(path)).toEqual(key);
    expect(await readdir(join(dir, 'new'))).toEqual(['link.key']);
  });

  test('is the same for all processes that create it at the same moment', async () => {
    const path = join(dir, 'link.key');
    const keys = await Promise.all(Array.from({ length: 8 }, () => loadLinkKey(path)));
    const stored = await readFile(path);
    for (const key of keys) expect(key.equals(stored)).toBe(true);
  });

  test('is rejected when the file is cut, instead of signing with half a key', async () => {
    const path = join(dir, 'link.key');
    await loadLinkKey(path);
    await truncate(path, 16);
    await expect(loadLinkKey(path)).rejects.toMatchObject({
      code: 'http/link-key',
      message: expect.stringContaining('32 bytes'),
      advice: expect.stringContaining('delete it'),
    });
  });

  test('that cannot be read names the file', async () => {
    await expect(loadLinkKey(dir)).rejects.toMatchObject({
      code: 'http/link-key',
      advice: expect.stringContaining(dir),
    });
  });
});
