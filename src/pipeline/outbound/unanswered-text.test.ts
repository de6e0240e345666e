// Texts whose parts have no response of the SMSC yet: registered in the journal under ids of ours, settled by later receipts.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type SmsFixture, startSmsFixture } from '../../../test/fixtures/sms-connector.js';
import { waitFor } from '../../../test/fixtures/wait-for.js';
import type { Outcome } from '../../driver/contract.js';
import type { DeliveryState } from '../../model/receipt.js';

const ID = 'aaaaaaaa-0000-4000-8000-000000000001';
const part = (number: number, attempt = 1) => `unanswered:${ID}:${attempt}:${number}`;
const receipt = (number: number, state: DeliveryState, detail: string | null = null) => ({
  id: part(number),
  state,
  at: 1,
  detail,
});
const unanswered = (...ids: string[]): Outcome => ({ kind: 'unknown', detail: 'the connection was lost', ids });
const HELD = 'delivery uncertain, held until an operator resolves it: the connection was lost';

let fixture: SmsFixture;
beforeEach(async () => {
  fixture = await startSmsFixture();
  fixture.texts.onSend = async () => unanswered(part(1), part(2));
});
afterEach(async () => {
  expect(fixture.fakeServer.violations).toEqual([]);
  await fixture.close();
});

const answers = async (count: number) =>
  (await fixture.fakeServer.waitForFrames('ES_MESSAGE_SENT', count)).map(({ content }) => content.Data);
const lookUpWith = (lookup: () => Promise<Outcome | 'not found'>) => Object.assign(fixture.texts.driver, { lookup });

describe('a text that the SMSC did not acknowledge', () => {
  it('is settled when every part has a receipt: the repeat is answered with success, nothing goes out again', async () => {
    fixture.sendRequest(ID, 'Hello');
    expect(await answers(1)).toEqual([HELD]);
    await fixture.texts.report([receipt(1, 'delivered')]);
    fixture.sendRequest(ID, 'Hello');
    expect(await answers(2)).toEqual([HELD, HELD]);
    await fixture.texts.report([receipt(2, 'sent')]);
    fixture.sendRequest(ID, 'Hello');
    expect(await answers(3)).toEqual([HELD, HELD, null]);
    expect(fixture.texts.sends).toHaveLength(1);
  });

  it('is settled by receipts that came before its outcome, and by those after a restart', async () => {
    await fixture.texts.report([receipt(1, 'delivered')]);
    fixture.sendRequest(ID, 'Hello');
    expect(await answers(1)).toEqual([HELD]);
    await fixture.restart();
    await fixture.texts.report([receipt(2, 'delivered')]);
    fixture.sendRequest(ID, 'Hello');
    expect(await answers(2)).toEqual([HELD, null]);
    expect(fixture.texts.sends).toHaveLength(1);
  });

  it('and that was not delivered is sent again by the repeat', async () => {
    fixture.sendRequest(ID, 'Hello');
    await answers(1);
    await fixture.texts.report([receipt(1, 'undelivered', 'stat:EXPIRED')]);
    fixture.texts.onSend = async () => ({ kind: 'sent', deliverySystemId: 'x' });
    fixture.sendRequest(ID, 'Hello');
    expect(await answers(2)).toEqual([HELD, null]);
    expect(fixture.texts.sends).toHaveLength(2);
  });
});

describe('the lookup of such a text', () => {
  it('is repeated once before an operator is asked: a receipt that came meanwhile is the answer', async () => {
    let lookups = 0;
    lookUpWith(async () => {
      lookups += 1;
      return 'not found';
    });
    fixture.texts.onSend = async () => unanswered(part(1));
    fixture.sendRequest(ID, 'Hello');
    await waitFor('the first lookup', () => lookups === 1);
    await fixture.texts.report([receipt(1, 'delivered')]);
    await fixture.clock.advance(15_000);
    expect(await answers(1)).toEqual([null]);
    expect(lookups).toBe(1);
  });

  it('is repeated once, and then an operator is asked', async () => {
    let lookups = 0;
    lookUpWith(async () => {
      lookups += 1;
      return 'not found';
    });
    fixture.sendRequest(ID, 'Hello');
    await waitFor('the first lookup', () => lookups === 1);
    await fixture.clock.advance(15_000);
    expect(await answers(1)).toEqual([HELD]);
    expect(lookups).toBe(2);
  });

  it.each(['sent', 'not found'] as const)(
    'says "%s" while a receipt says undelivered: the receipt counts',
    async (found) => {
      fixture.texts.onSend = async () => unanswered(part(1));
      lookUpWith(async () => {
        await fixture.texts.report([receipt(1, 'undelivered', 'stat:UNDELIV')]);
        return found === 'sent' ? { kind: 'sent', deliverySystemId: 'x' } : found;
      });
      fixture.sendRequest(ID, 'Hello');
      expect(await answers(1)).toEqual(['stat:UNDELIV']);
      expect(fixture.texts.sends).toHaveLength(1);
    },
  );
});

describe('a text whose recipient has opted out at the carrier', () => {
  it('is answered "rejected", and the opt-out is recorded, also when the journal cannot record it at once', async () => {
    fixture.texts.onSend = async () => ({ kind: 'rejected', detail: '21610 unsubscribed', optedOut: true });
    fixture.tamper(`create trigger full before insert on opt_outs begin select raise(abort, 'disk full'); end`);
    fixture.sendRequest(ID, 'Hello');
    await waitFor('the failure', () =>
      fixture.lines.some((line) => line.includes('opt-out could not be recorded yet')),
    );
    fixture.tamper('drop trigger full');
    await fixture.clock.advance(5_000);
    expect(await answers(1)).toEqual(['21610 unsubscribed']);
    expect(await fixture.journal((journal) => journal.optOuts())).toHaveLength(1);
  });
});
