import { afterEach, describe, expect, it } from 'vitest';
import { mailBytes } from '../../test/conformance/context.js';
import { canMount, type SmallDisk, smallDisk } from '../../test/servers/small-disk.js';
import { listenerHarness } from '../../test/servers/smtp-listener-harness.js';

const { gateway, end, later } = listenerHarness();
afterEach(end);

describe('a full disk', () => {
  it('is 452 at MAIL from the reserve on, and the next mail is accepted when there is room', async () => {
    let full = true;
    const { client, next } = await gateway({}, { diskFull: async () => full });
    const anna = await client();
    expect(await anna.deliver(mailBytes('too early'))).toBe('452 insufficient storage, try again later');
    full = false;
    const answer = anna.deliver(mailBytes('now'));
    await (await next()).confirm();
    expect(await answer).toMatch(/^250/);
  });

  it.skipIf(!canMount())('is 452 for a mail in the middle of DATA, which is given back whole', async () => {
    const disk = smallDisk(4) as SmallDisk;
    later(() => disk.remove());
    const { client, next, session } = await gateway({}, { dataDir: disk.path });
    const anna = await client();
    const large = mailBytes('large', { body: 'x'.repeat(998).concat('\r\n').repeat(6_000) });
    expect(await anna.deliver(large)).toBe('452 insufficient storage, try again later');
    expect(session.spool.bytes).toBe(0);
    const answer = anna.deliver(mailBytes('small', { body: 'x'.repeat(998).concat('\r\n').repeat(2_000) }));
    await (await next()).confirm();
    expect(await answer).toMatch(/^250/);
  });
});
