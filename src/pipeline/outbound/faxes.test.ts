// Faxes through the whole connector: a call that ends in time, one that does not, what comes of it later, and who is told.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { faxSamples } from '../../../test/conformance/fax-samples.js';
import { type SmsFixture, startSmsFixture } from '../../../test/fixtures/sms-connector.js';
import { waitFor } from '../../../test/fixtures/wait-for.js';
import type {
  AnyDriver,
  Attempt,
  ComposedFax,
  DeliveryReceipt,
  Driver,
  FaxDocument,
  GatewayContext,
  Outcome,
} from '../../driver/contract.js';
import { settingsSchema } from '../../driver/settings.js';
import { type FaxSettings, faxRulesOf, faxSettings, reportToOf } from '../../driver/shared/fax-settings.js';
import type { GatewayInfo } from '../../model/message.js';

const FAX = '44444444-4444-4444-8444-444444444444';
const ID = 'aaaaaaaa-0000-4000-8000-000000000001';
const NUMBER = '+420222333444';

interface Send {
  fax: ComposedFax;
  attempt: Attempt;
  end(outcome: Outcome): void;
}

/** A fax gateway played by the test: a send waits until the test ends it, or until its time is over. */
function fakeFaxDriver() {
  const me = {
    sends: [] as Send[],
    lookups: 0,
    /** What a send says when its time is over. */
    overdue: { kind: 'sent', deliverySystemId: 'job 7', ids: ['job 7'], state: 'accepted' } as Outcome,
    onLookup: async (): Promise<Outcome | 'not found'> => 'not found',
    received: [] as FaxDocument[],
    confirmed: 0,
    wake: () => {},
    report: (_receipts: DeliveryReceipt[]): Promise<void> => Promise.reject(new Error('not opened')),
  };
  const driver: Driver<FaxSettings, GatewayContext<FaxSettings>, FaxDocument, ComposedFax> = {
    device: 'TestFax',
    channel: 'Fax',
    summary: 'For tests.',
    settings: settingsSchema(faxSettings),
    async open(context) {
      if (context.gateway.direction === 'O') me.report = (receipts) => context.reportReceipts(receipts);
      return context;
    },
    close: async () => {},
    async *check() {
      yield { name: 'nothing', ok: true, detail: 'always well' };
    },
    async *receive(_session, signal) {
      while (!signal.aborted) {
        for (let content = me.received.shift(); content; content = me.received.shift()) {
          const confirm = async () => void me.confirmed++;
          yield { key: `${content.providerId}`, fingerprint: '', content, bytes: 1, confirm, reject: async () => {} };
        }
        await new Promise<void>((resolve) => {
          me.wake = resolve;
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
      }
    },
    send: (_session, fax, attempt) =>
      new Promise((end) => {
        me.sends.push({ fax, attempt, end });
        attempt.signal.addEventListener('abort', () => end(me.overdue), { once: true });
      }),
    async lookup() {
      me.lookups++;
      return me.onLookup();
    },
    async webhook() {
      const content = received(faxSamples.offered('pushed').raw, 'pushed 1');
      return { reply: { status: 200 }, messages: [{ key: 'pushed 1', fingerprint: '', content }] };
    },
    faxRules: (settings) => faxRulesOf(settings, 'pdf'),
    reportTo: reportToOf,
  };
  return Object.assign(me, { driver: driver as AnyDriver });
}

function received(raw: Uint8Array, providerId: string): FaxDocument {
  const call = { from: NUMBER, to: '+420555666777', station: 'ACME', callerName: null, providerId, receivedAt: 7 };
  return { kind: 'fax', raw, ...call, pages: 1, expectedPages: 1, problem: null, facts: [], notes: [] };
}

const list = (device: string): GatewayInfo[] =>
  (['O', 'I'] as const).map((Direction) => ({
    Id: FAX,
    DisplayName: 'Faxes',
    PeerAddress: '@gatepost',
    Channel: 'Fax',
    Direction,
    Device: device,
  }));

let fixture: SmsFixture;
let faxes: ReturnType<typeof fakeFaxDriver>;
const start = async (settings: object = { ReportTo: FAX }) => {
  faxes = fakeFaxDriver();
  fixture = await startSmsFixture('', { testfax: faxes.driver }, list(`TestFax ${JSON.stringify(settings)}`));
};
beforeEach(() => start());
afterEach(async () => {
  for (const { end } of faxes.sends) end({ kind: 'rejected', detail: 'the test is over' });
  expect(fixture.fakeServer.violations).toEqual([]);
  await fixture.close();
});

const sendRequest = (text = 'Hello') =>
  fixture.fakeServer.sendRequest({
    MessageId: ID,
    GatewayId: FAX,
    RemoteAddress: NUMBER,
    SubjectField: 'Offer 12',
    Direction: 'O',
    BodyText: text,
  });
const answers = async (count: number) =>
  (await fixture.fakeServer.waitForFrames('ES_MESSAGE_SENT', count)).map(({ content }) => content);
const receivedMessages = async (count: number) =>
  (await fixture.fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', count)).map(({ content }) => content);
const sending = () => waitFor('the first send', () => faxes.sends.length > 0);
/** Lets the time for the answer run out. */
const overdue = async () => {
  await sending();
  await fixture.clock.advance(86_000);
};
const receipts = (state: DeliveryReceipt['state'], detail: string) =>
  faxes.report([{ id: 'job 7', state, at: fixture.clock.now(), detail }]);
const traceOf = async () => (await fixture.journal((journal) => journal.traces(ID)))[0];
const events = async () => (await traceOf())?.entries.map(({ event, detail }) => `${event}: ${detail}`) ?? [];

describe('an outbound message for a fax', () => {
  it('is composed as PDF and answered with the truth when the call ends in time', async () => {
    sendRequest();
    await sending();
    const { fax } = faxes.sends[0] ?? {};
    expect(fax).toMatchObject({ kind: 'fax', to: NUMBER, subject: 'Offer 12', pages: 1, reference: ID });
    expect(
      Buffer.from(fax?.pdf ?? [])
        .subarray(0, 5)
        .toString(),
    ).toBe('%PDF-');
    faxes.sends[0]?.end({ kind: 'sent', deliverySystemId: 'job 7', state: 'delivered', detail: '1 of 1 page' });
    expect(await answers(1)).toMatchObject([{ Id: ID, Reference: ID, Data: null }]);
  });

  it('whose call is not answered is rejected in the fax server’s own words', async () => {
    sendRequest();
    await sending();
    faxes.sends[0]?.end({ kind: 'rejected', detail: 'No answer from remote' });
    expect(await answers(1)).toMatchObject([{ Id: ID, Reference: null, Data: 'No answer from remote' }]);
  });

  it('whose call outlasts the answer is accepted for transmission, and its end is reported, once', async () => {
    sendRequest();
    await overdue();
    expect(await answers(1)).toMatchObject([{ Reference: ID, Data: null }]);
    await receipts('undelivered', 'Busy signal detected');
    await receipts('undelivered', 'Busy signal detected');
    const [notice] = await receivedMessages(1);
    expect(notice).toMatchObject({ GatewayId: FAX, InReplyToId: ID, RemoteAddress: NUMBER });
    expect(notice.SubjectField).toBe(`Fax to ${NUMBER} NOT delivered`);
    expect(notice.BodyText).toContain('Busy signal detected');
    expect(notice.BodyText).toContain('Offer 12');
    expect(notice.BodyText).toContain(ID);
    await fixture.clock.advance(120_000);
    expect(await receivedMessages(1)).toHaveLength(1);
    expect(await events()).toContain('receipt: undelivered: Busy signal detected');
  });

  it('whose end is reported while its outcome is being recorded has its notice all the same', async () => {
    sendRequest();
    await sending();
    await receipts('delivered', '1 of 1 page');
    faxes.sends[0]?.end(faxes.overdue);
    expect((await receivedMessages(1))[0]?.SubjectField).toBe(`Fax to ${NUMBER} delivered`);
  });

  it('whose end was in the answer is not reported again', async () => {
    sendRequest();
    await sending();
    faxes.sends[0]?.end({ kind: 'sent', deliverySystemId: 'job 7', state: 'delivered' });
    await answers(1);
    await receipts('delivered', '1 of 1 page');
    await fixture.clock.advance(60_000);
    expect(fixture.fakeServer.received.length).toBe(0);
  });

  it('shows its calls and pages in the delivery log while it is being sent', async () => {
    sendRequest();
    await sending();
    faxes.sends[0]?.attempt.note('dial 1 of 3: busy');
    await waitFor('the dial to be in the log', async () => (await events()).includes('receipt: dial 1 of 3: busy'));
    await overdue();
    await answers(1);
    await faxes.report([{ id: 'job 7', state: 'accepted', at: 1, detail: 'page 1 of 2', progress: true }]);
    expect(await events()).toContain('receipt: page 1 of 2');
  });

  it('has its notice stored over a restart until the contact center accepts it', async () => {
    fixture.fakeServer.onReceiving = () => 'silent';
    sendRequest();
    await overdue();
    await answers(1);
    await receipts('delivered', '1 of 1 page');
    await receivedMessages(1);
    fixture.fakeServer.onReceiving = () => true;
    await fixture.restart();
    while (fixture.fakeServer.received.length < 2) await fixture.clock.advance(500);
    const notices = fixture.fakeServer.received;
    expect(notices[1]?.RequestId).toBe(notices[0]?.RequestId);
  });

  it('with an empty body or an invalid number costs nothing', async () => {
    sendRequest('  ');
    expect((await answers(1))[0]?.Data).toMatch(/no text/);
    fixture.fakeServer.sendRequest({
      MessageId: ID.replace(/1$/, '2'),
      GatewayId: FAX,
      RemoteAddress: 'ann@example.com',
      Direction: 'O',
      BodyText: 'x',
    });
    expect((await answers(2))[1]?.Data).toContain('ann@example.com');
    expect(faxes.sends).toEqual([]);
  });
});

describe('an outbound message that is answered only when it is done', () => {
  const underWay: Outcome = { kind: 'unknown', detail: 'the call is still under way', ids: ['job 7'] };

  it('is unknown when its time is over, and its repeat is answered with the final outcome', async () => {
    faxes.overdue = underWay;
    sendRequest();
    await overdue();
    expect((await answers(1))[0]?.Data).toContain('the call is still under way');
    await receipts('delivered', '1 of 1 page');
    sendRequest();
    expect((await answers(2))[1]).toMatchObject({ Id: ID, Data: null });
    expect(faxes.sends).toHaveLength(1);
    expect((await receivedMessages(1))[0]?.SubjectField).toBe(`Fax to ${NUMBER} delivered`);
  });

  it('is looked up by its repeat, which is answered with the outcome of the first call', async () => {
    faxes.overdue = underWay;
    sendRequest();
    await overdue();
    await answers(1);
    faxes.onLookup = async () => ({ kind: 'rejected', detail: 'No answer from remote' });
    sendRequest();
    expect((await answers(2))[1]?.Data).toBe('No answer from remote');
    expect(faxes.sends).toHaveLength(1);
  });
});

describe('an outbound message whose process was killed while it was sending', () => {
  const leftBehind = () =>
    fixture.tamper(
      `insert into outbound_messages (message_id, gateway_id, state, attempts, delivery_system_id, accepted_recipients,
         remote_address, subject, bytes, asked, answered, asked_at, changed_at, first_attempt_at)
       values ('${ID}', '${FAX}', 'sending', 1, '${ID}', '[]', '${NUMBER}', '', 5, 1, 1, 0, 0, 0);
       insert into attempts (message_id, number, gateway_id, delivery_system_id, state, accepted_recipients, started_at, owner)
       values ('${ID}', 1, '${FAX}', '${ID}', 'sending', '[]', 0, 'a process that is gone')`,
    );

  /** Under Hold it follows after a time in which a receipt may come. */
  const secondLookup = async () => {
    await waitFor('the first lookup', () => faxes.lookups === 1);
    await fixture.clock.advance(15_000);
  };

  it('is not sent again while its outcome is unknown', async () => {
    leftBehind();
    sendRequest();
    await secondLookup();
    expect((await answers(1))[0]?.Data).toContain('held until an operator');
    expect([faxes.lookups, faxes.sends.length]).toEqual([2, 0]);
  });

  it('is sent when the lookup says that it was never submitted', async () => {
    leftBehind();
    faxes.onLookup = async () => ({ kind: 'deferred', detail: 'no such job was ever submitted' });
    sendRequest();
    await sending();
    faxes.sends[0]?.end({ kind: 'sent', deliverySystemId: 'job 8', state: 'delivered' });
    expect((await answers(1))[0]).toMatchObject({ Data: null, Reference: ID });
  });

  it('that the lookup finds under way is followed under the ids it names', async () => {
    leftBehind();
    faxes.onLookup = async () => ({ kind: 'unknown', detail: 'still dialling', ids: ['job 7'] });
    sendRequest();
    await secondLookup();
    expect((await answers(1))[0]?.Data).toContain('still dialling');
    await receipts('delivered', '1 of 1 page');
    expect((await receivedMessages(1))[0]?.SubjectField).toBe(`Fax to ${NUMBER} delivered`);
    sendRequest();
    expect((await answers(2))[1]?.Data).toBeNull();
    expect(faxes.sends).toEqual([]);
  });
});

describe('an outbound message that is looked up', () => {
  it('and ends at that very moment is reported, too', async () => {
    faxes.overdue = { kind: 'unknown', detail: 'the line broke' };
    sendRequest();
    await overdue();
    await answers(1);
    faxes.onLookup = async () => {
      await receipts('delivered', '1 of 1 page');
      return { kind: 'unknown', detail: 'still dialling', ids: ['job 7'] };
    };
    sendRequest();
    await answers(2);
    expect((await receivedMessages(1))[0]?.SubjectField).toBe(`Fax to ${NUMBER} delivered`);
  });
});

describe('a gateway that reports to nobody', () => {
  it.each([{}, { ReportTo: '55555555-5555-4555-8555-555555555555' }])(
    'has its results in the delivery log: %j',
    async (settings) => {
      await fixture.close();
      await start(settings);
      sendRequest();
      await overdue();
      await answers(1);
      await receipts('delivered', '1 of 1 page');
      expect(await events()).toContain('receipt: delivered: 1 of 1 page');
      expect(fixture.fakeServer.received.length).toBe(0);
      const warned = fixture.lines.some((line) => line.includes('ReportTo names no inbound gateway'));
      expect(warned).toBe('ReportTo' in settings);
    },
  );
});

describe('a received fax', () => {
  it('is handed over with its pages, and confirmed only after the acknowledgement', async () => {
    fixture.fakeServer.onReceiving = () => 'silent';
    faxes.received.push(received(faxSamples.offered('one').raw, 'fax 1'));
    faxes.wake();
    const [message] = await receivedMessages(1);
    expect(message).toMatchObject({ GatewayId: FAX, RemoteAddress: NUMBER });
    expect(message.BodyHtml).toContain('<img');
    expect(faxes.confirmed).toBe(0);
    fixture.fakeServer.onReceiving = () => true;
    while (fixture.fakeServer.received.length < 2) await fixture.clock.advance(1_000);
    await waitFor('the fax to be confirmed', () => faxes.confirmed === 1);
  });

  it('that is pushed is stored before its pages are read, and handed over with all of them', async () => {
    fixture.fakeServer.onReceiving = () => 'silent';
    const pushed = await fetch(`${fixture.service.http.url}/webhooks/${FAX}`, { method: 'POST', body: 'x' });
    expect(pushed.status).toBe(200);
    const [message] = await receivedMessages(1);
    const known = (await fixture.journal((journal) => journal.recordsOf(FAX, ['pushed 1']))).get('pushed 1');
    expect(message).toMatchObject({ RequestId: known?.requestId, DeliverySystemId: known?.deliverySystemId });
    const links = [...String(message.BodyHtml).matchAll(/<a href="(http[^"]+)"/g)].map(([, link = '']) => link);
    const files = await Promise.all(links.map(async (link) => fetch(link.replaceAll('&amp;', '&'))));
    expect(files.map(({ status, headers }) => [status, headers.get('content-type')])).toEqual([
      [200, 'application/pdf'],
      [200, 'image/tiff'],
    ]);
  });
});
