// What a submission hands over, that nothing in a send request gets out of its place in it, and what silence in between costs.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { faxOf, type HylafaxBed, hylafaxBed, SEND_REQUEST } from '../../test/servers/hylafax-fixture.js';

let bed: HylafaxBed;
beforeEach(async () => {
  bed = await hylafaxBed();
});
afterEach(() => bed.close());

describe('what is handed over', () => {
  it('is the TIFF, the number, the tag and the limits', async () => {
    const sender = await bed.sender({ MaxDials: 5, MaxTries: 2, GiveUpMinutes: 1_501, Modem: '/dev/ttyS0' });
    const fax = faxOf();
    await sender.send({ ...fax, from: 'Desk "one"\r\nJKILL 1' });
    const [job] = bed.server.jobs;
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
    expect(bed.server.commands).toContain('FORM TIFF');
  });

  it('is the PDF where there is no TIFF', async () => {
    const fax = { ...faxOf(), tiff: null };
    await (await bed.sender()).send(fax);
    expect(bed.server.commands).toContain('FORM PDF');
    expect(bed.server.jobs[0]?.document.equals(Buffer.from(fax.pdf))).toBe(true);
  });

  it("leaves HylaFAX's own header line away where the page has one", async () => {
    await (await bed.sender({ StationId: '+420 222', Resolution: 'Superfine' })).send();
    const [job] = bed.server.jobs;
    expect(Object.fromEntries(job?.parameters ?? [])).toMatchObject({
      USETAGLINE: 'YES',
      TSI: '+420 222',
      VRES: '391',
    });
  });

  it.each(['12\r\nJKILL 1', '12\n34', 'sip:someone', '', '+', '٣٤٥'])(
    '%j is no number, and is never dialled',
    async (to) => {
      const outcome = await (await bed.sender()).send(faxOf(1, to));
      expect(outcome).toMatchObject({ kind: 'rejected', detail: expect.stringContaining('is no fax number') });
      expect(bed.server.commands.filter((command) => /^J(NEW|KILL|SUBM)/.test(command))).toEqual([]);
    },
  );
});

it('a server that falls silent costs half a minute and not the send request', async () => {
  await bed.close();
  const clock = manualClock();
  bed = await hylafaxBed({ clock });
  const sender = await bed.sender();
  bed.server.trouble = (command) => (command === 'JNEW' ? { is: 'silent', when: 'before' } : undefined);
  const outcome = sender.send();
  await bed.server.until('the silence', /^JNEW/);
  await clock.advance(30_000);
  expect(await outcome).toEqual({
    kind: 'deferred',
    detail: 'waiting for the answer to JNEW: no result within 30000 ms',
  });
  // Torn down, so that nothing that is still on its way arrives.
  await waitFor('the end of the conversation', () => bed.server.resets === 1);
  await sender.close();
  expect(clock.armed).toBe(0);
});
