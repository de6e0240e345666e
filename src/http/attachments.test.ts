import { createReadStream } from 'node:fs';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LIFETIME_MS, openPort, stored } from '../../test/fixtures/http-port.js';

let port: Awaited<ReturnType<typeof openPort>>;
beforeEach(async () => {
  port = await openPort();
});
afterEach(() => port.http.close());

const BYTES = Buffer.from('%PDF-1.7 not really');

describe('attachment links over HTTP', () => {
  test('a genuine link gives the bytes as a download that no page of ours can become', async () => {
    port.platform.attachments.set('id1', stored(BYTES));
    const answer = await port.get(port.links.link({ id: 'id1', name: 'shown-only.txt' }));
    expect(answer.status).toBe(200);
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(BYTES);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'application/pdf',
      'content-length': String(BYTES.length),
      'content-disposition': 'attachment; filename=report.pdf',
      'content-security-policy':
        "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'private',
    });
  });

  test('an attachment of many chunks comes whole, an empty one empty', async () => {
    const large = Buffer.alloc(3_000_000, 'gatepost ');
    const pieces = () => {
      const stream = new PassThrough();
      for (let at = 0; at < large.length; at += 64_000) stream.write(large.subarray(at, at + 64_000));
      return stream.end();
    };
    port.platform.attachments.set('large', stored(large, { open: pieces }));
    port.platform.attachments.set('empty', stored(Buffer.alloc(0), { open: () => new PassThrough().end() }));
    const answer = await port.get(port.links.link({ id: 'large', name: 'l' }));
    expect(Buffer.from(await answer.arrayBuffer()).equals(large)).toBe(true);
    const empty = await port.get(port.links.link({ id: 'empty', name: 'e' }));
    expect([empty.status, (await empty.arrayBuffer()).byteLength]).toEqual([200, 0]);
  });

  test('the name in the link is not believed: the stored one counts, whatever stands there', async () => {
    port.platform.attachments.set('id1', stored(BYTES, { name: 'Rechnung "März"\r\n.pdf' }));
    const link = new URL(port.links.link({ id: 'id1', name: 'x' }));
    link.pathname = '/attachments/id1/setup.exe';
    const disposition = (await port.get(link.href)).headers.get('content-disposition');
    expect(disposition).toBe(
      `attachment; filename="Rechnung _M_rz___.pdf"; filename*=UTF-8''Rechnung%20_M%C3%A4rz___.pdf`,
    );
  });

  test('a type that a browser would run is served as bytes', async () => {
    port.platform.attachments.set('id1', stored(Buffer.from('<script>alert(1)</script>'), { type: 'text/html' }));
    const answer = await port.get(port.links.link({ id: 'id1', name: 'page.html' }));
    expect(answer.headers.get('content-type')).toBe('application/octet-stream');
  });

  test.each([
    ['image/png', 'inline'],
    ['image/jpeg', 'inline'],
    ['IMAGE/GIF; name=x', 'inline'],
    ['image/webp', 'inline'],
    ['image/svg+xml', 'attachment'],
    ['application/pdf', 'attachment'],
    ['text/plain', 'attachment'],
    ['text/html', 'attachment'],
    ['application/xhtml+xml', 'attachment'],
    ['image/x-icon', 'attachment'],
    ['', 'attachment'],
  ])('%j comes as %s, never sniffed', async (type, disposition) => {
    port.platform.attachments.set('id1', stored(BYTES, { type, name: 'file' }));
    const { headers } = await port.get(port.links.link({ id: 'id1', name: 'x' }));
    expect(headers.get('content-disposition')).toBe(`${disposition}; filename=file`);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain("sandbox; default-src 'none'");
  });

  test('HEAD answers with the size and opens nothing', async () => {
    let opened = 0;
    const open = () => {
      opened += 1;
      return new PassThrough().end(BYTES);
    };
    port.platform.attachments.set('id1', stored(BYTES, { open }));
    const answer = await port.get(port.links.link({ id: 'id1', name: 'x' }), { method: 'HEAD' });
    expect([answer.status, answer.headers.get('content-length'), opened]).toEqual([200, String(BYTES.length), 0]);
    expect(await answer.text()).toBe('');
  });

  test('a forged or incomplete link is rejected before the journal is asked', async () => {
    let asked = 0;
    port.platform.attachments.get = () => {
      asked += 1;
      return undefined;
    };
    const link = new URL(port.links.link({ id: 'id1', name: 'x' }));
    const { pathname, search } = link;
    const expires = link.searchParams.get('expires');
    for (const wrong of [
      pathname,
      `/attachments/id2/x${search}`,
      `${pathname}?expires=${expires}`,
      `${pathname}?expires=9999999999&signature=${link.searchParams.get('signature')}`,
      `${pathname}${search}&signature=again`,
    ]) {
      const answer = await port.get(wrong);
      expect([answer.status, await answer.text()]).toEqual([
        403,
        expect.stringContaining('not complete or was changed'),
      ]);
    }
    expect(asked).toBe(0);
  });

  test('an expired link is refused though the attachment is still stored', async () => {
    port.platform.attachments.set('id1', stored(BYTES));
    const link = port.links.link({ id: 'id1', name: 'x' }, port.clock.now(), 1);
    await port.clock.advance(86_400_000 - 1);
    expect((await port.get(link)).status).toBe(200);
    await port.clock.advance(1);
    for (const method of ['GET', 'HEAD']) expect((await port.get(link, { method })).status).toBe(410);
  });

  test('a message that waited in quarantine has links that work as long as those of others', async () => {
    const waitedMs = 2 * LIFETIME_MS;
    port.platform.attachments.set('id1', stored(BYTES, { waitedMs: Number.POSITIVE_INFINITY }));
    const link = port.links.link({ id: 'id1', name: 'x' });
    await port.clock.advance(waitedMs);
    expect((await port.get(link)).status).toBe(200);
    port.platform.attachments.set('id1', stored(BYTES, { waitedMs }));
    await port.clock.advance(LIFETIME_MS - 1);
    expect((await port.get(link)).status).toBe(200);
    await port.clock.advance(1);
    expect((await port.get(link)).status).toBe(410);
  });

  test('an expired link whose attachment was removed is answered with one sentence that says so', async () => {
    const link = port.links.link({ id: 'id1', name: 'x' });
    await port.clock.advance(LIFETIME_MS);
    const answer = await port.get(link);
    expect([answer.status, await answer.text()]).toEqual([410, expect.stringContaining('has expired')]);
    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  });

  test('a genuine link to an attachment that the journal does not have is 404', async () => {
    const answer = await port.get(port.links.link({ id: 'gone', name: 'x' }));
    expect([answer.status, await answer.text()]).toEqual([404, expect.stringContaining('no such attachment')]);
  });

  test('a file that the sweep took between asking and opening is 410', async () => {
    port.platform.attachments.set('id1', stored(BYTES, { open: () => createReadStream('/nowhere/at/all') }));
    const answer = await port.get(port.links.link({ id: 'id1', name: 'x' }));
    expect([answer.status, await answer.text()]).toEqual([410, expect.stringContaining('has been removed')]);
    expect(answer.headers.get('content-disposition')).toBeNull();
  });

  test('a journal that fails gives 503, and the reason goes to the log only', async () => {
    port.platform.attachments.get = () => {
      throw new Error('database disk image is malformed');
    };
    const answer = await port.get(port.links.link({ id: 'id1', name: 'x' }));
    expect(answer.status).toBe(503);
    expect(await answer.text()).not.toContain('malformed');
    expect(port.lines.join('\n')).toContain('malformed');
  });

  test.each([
    ['shorter', BYTES.length + 1],
    ['longer', BYTES.length - 1],
  ])('a file that is %s than recorded breaks off instead of looking whole', async (_how, size) => {
    port.platform.attachments.set('id1', stored(BYTES, { size, open: () => new PassThrough().end(BYTES) }));
    const whole = port.get(port.links.link({ id: 'id1', name: 'x' })).then(async (answer) => {
      await answer.arrayBuffer();
      return answer.ok;
    });
    expect(await whole.catch(() => 'broken off')).not.toBe(true);
  });

  test('the longest link we make is served', async () => {
    port.platform.attachments.set('id1', stored(BYTES));
    expect((await port.get(port.links.link({ id: 'id1', name: '😀'.repeat(200) }))).status).toBe(200);
  });
});
