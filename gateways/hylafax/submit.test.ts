// What a submission sends, that no text can break out of its protocol line, and what a silent server costs.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { faxOf, type HylafaxFixture, hylafaxFixture, SEND_REQUEST } from '../../test/servers/hylafax-fixture.js';

let fixture: HylafaxFixture;
beforeEach(async () => {
  fixture = await hylafaxFixture();
});
afterEach(() => fixture.close());

describe('a submission', () => {
  it('sends the TIFF, the number, the tag and the limits', async () => {
    const sender = await fixture.sender({ MaxDials: 5, MaxTries: 2, GiveUpMinutes: 1_501, Modem: '/dev/ttyS0' });
    const fax = faxOf();
    await sender.send({ ...fax, from: 'Desk "one"\r\nJKILL 1' });
    const [job] = fixture.server.jobs;
    expect(job?.document.equals(Buffer.from(fax.tiff ?? []))).toBe(true);
    expect(Object.fromEntries(job?.parameters ?? [])).toMatchObject({
      DIALSTRING: '+420777123456',
      FROMUSER: 'Desk "one" JKILL 1',
      JOBINFO: SEND_REQUEST,
      MAXDIALS: '5',
      MAXTRIES: '2',
      LASTTIME: '010101',
      MODEM: 'ttyS0',
      VRES: '196',
      PAGELENGTH: '297',
    });
    expect(fixture.server.commands).toContain('FORM TIFF');
  });

  it('sends the PDF where there is no TIFF', async () => {
    const fax = { ...faxOf(), tiff: null };
    await (await fixture.sender()).send(fax);
    expect(fixture.server.commands).toContain('FORM PDF');
    expect(fixture.server.jobs[0]?.document.equals(Buffer.from(fax.pdf))).toBe(true);
  });

  it("switches off HylaFAX's own header line where the page has one", async () => {
    await (await fixture.sender({ StationId: '+420 222', Resolution: 'Superfine' })).send();
    const [job] = fixture.server.jobs;
    expect(Object.fromEntries(job?.parameters ?? [])).toMatchObject({
      USETAGLINE: 'YES',
      TSI: '+420 222',
      VRES: '391',
    });
  });

  it.each(['12\r\nJKILL 1', '12\n34', 'sip:someone', '', '+', '٣٤٥'])(
    'rejects %j, which is not a number, without dialling',
    async (to) => {
      const outcome = await (await fixture.sender()).send(faxOf(1, to));
      expect(outcome).toMatchObject({ kind: 'rejected', detail: expect.stringContaining('is not a fax number') });
      expect(fixture.server.commands.filter((command) => /^J(NEW|KILL|SUBM)/.test(command))).toEqual([]);
    },
  );
});

it('a silent server costs half a minute, and the send is deferred', async () => {
  await fixture.close();
  const clock = manualClock();
  fixture = await hylafaxFixture({ clock });
  const sender = await fixture.sender();
  fixture.server.trouble = (command) => (command === 'JNEW' ? { is: 'silent', when: 'before' } : undefined);
  const outcome = sender.send();
  await fixture.server.until('the silence', /^JNEW/);
  await clock.advance(30_000);
  expect(await outcome).toEqual({
    kind: 'deferred',
    detail: 'waiting for the reply to JNEW: no result within 30000 ms',
  });
  // Reset, so that no byte that is still in the send buffer arrives.
  await waitFor('the reset of the connection', () => fixture.server.resets === 1);
  await sender.close();
  expect(clock.armed).toBe(0);
});
