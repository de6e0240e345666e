// A folder of your own that Telnyx fetches documents from: what stands there, under which names, and for how long.
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { contextOf } from '../../test/conformance/context.js';
import { outboundFax } from '../../test/conformance/fax-samples.js';
import { startTelnyxFixture, type TelnyxFixture } from '../../test/servers/telnyx-fixture.js';
import { openApi } from './api.js';
import { documentsOf } from './documents.js';
import { telnyxFax } from './driver.js';
import { send } from './send.js';

let fixture: TelnyxFixture;
beforeEach(async () => {
  fixture = await startTelnyxFixture();
});
afterEach(() => fixture.end());

describe('with a folder of your own', () => {
  let folder = '';
  let asked: string[] = [];
  const shop = createServer((request, reply) => {
    asked.push(request.url ?? '');
    reply.end(readFileSync(join(folder, (request.url ?? '').replace('/fax/', ''))));
  });
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'gatepost-fax-'));
    asked = [];
    await new Promise<void>((resolve) => shop.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    await new Promise((resolve) => shop.close(resolve));
    rmSync(folder, { recursive: true });
  });

  it('Telnyx fetches the document by an address that cannot be guessed, and it is deleted afterwards', async () => {
    const { port } = shop.address() as AddressInfo;
    const DocumentUrl = `http://127.0.0.1:${port}/fax/`;
    const session = await fixture.open('O', { DocumentFolder: folder, DocumentUrl });
    const left = join(folder, `${'0'.repeat(64)}.pdf`);
    for (const name of [left, join(folder, 'brochure.pdf')]) {
      writeFileSync(name, 'left by a process that died, or none of ours');
      utimesSync(name, 0, 0);
    }
    const fax = outboundFax('one');
    expect(await fixture.turn(send(session, fax, fixture.attempt()))).toMatchObject({
      kind: 'sent',
      state: 'delivered',
    });
    expect(fixture.server.account.faxes[0]?.document?.equals(Buffer.from(fax.pdf))).toBe(true);
    expect(asked).toEqual([expect.stringMatching(/^\/fax\/[0-9a-f]{64}\.pdf$/)]);
    expect(readdirSync(folder)).toEqual(['brochure.pdf']);
    expect(fixture.server.requests.filter(({ path }) => path.startsWith('/media'))).toEqual([]);
  });

  it('the address is the same for the same fax, and another with another key', async () => {
    const publish = async (ApiKey: string) => {
      const usual = { ApiKey, ConnectionId: '1', Number: fixture.server.number, DocumentFolder: folder };
      const context = contextOf(telnyxFax, { ...usual, DocumentUrl: 'https://files.example.com' });
      const documents = documentsOf(context, openApi({ ...context, clock: fixture.clock }));
      return (await documents.publish(Buffer.from('%PDF-'), 'mark', new AbortController().signal)).handle;
    };
    expect(await publish('one')).toBe(await publish('one'));
    expect(await publish('one')).not.toBe(await publish('two'));
  });

  it("a document that Telnyx cannot fetch is a failure in Telnyx's words", async () => {
    const session = await fixture.open('O', { DocumentFolder: folder, DocumentUrl: 'http://127.0.0.1:9/fax' });
    expect(await fixture.turn(send(session, outboundFax('one'), fixture.attempt()))).toMatchObject({
      kind: 'rejected',
      detail: 'failed file_download_failed: Telnyx could not get the document',
    });
  });
});
