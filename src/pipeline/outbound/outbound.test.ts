import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Fixture, OUT, sendRequest, startFixture } from '../../../test/fixtures/connector.js';
import { waitFor } from '../../../test/fixtures/wait-for.js';
import type { Outcome } from '../../driver/contract.js';

const ID = 'aaaaaaaa-0000-4000-8000-000000000001';
let fixture: Fixture;
beforeEach(async () => {
  fixture = await startFixture();
});
afterEach(async () => {
  expect(fixture.fakeServer.violations).toEqual([]);
  await fixture.close();
});

const never = () => new Promise<Outcome>(() => {});

describe('an outbound message', () => {
  it('is sent once and answered once, with its id and without an error', async () => {
    fixture.fakeServer.sendRequest(sendRequest(ID));
    const { content } = await fixture.fakeServer.waitForFrame('ES_MESSAGE_SENT');
    expect(content).toMatchObject({ Id: ID, RefId: OUT, Reference: `${ID}@frontstage.example`, Data: null });
    expect(content.TimeStamp).toMatch(/Z$/);
    expect(fixture.outbound.sends).toHaveLength(1);
    expect(fixture.outbound.sends[0]?.mail.recipients).toEqual(['ann@example.com']);
    expect(fixture.outbound.sends[0]?.mail.messageId).toBe(`<${ID}@frontstage.example>`);
  });

  it('leaves without the links to attachments that were written into the quoted message for the agent', async () => {
    const link = `https://gate.example/attachments/a1/x.pdf?expires=1795341234&signature=${'A'.repeat(43)}`;
    fixture.fakeServer.sendRequest({ ...sendRequest(ID), BodyText: `Hello\n> - x.pdf: ${link}`, BodyHtml: null });
    await fixture.fakeServer.waitForFrame('ES_MESSAGE_SENT');
    const raw = Buffer.from(fixture.outbound.sends[0]?.mail.raw ?? []).toString();
    expect(raw).toContain('x.pdf: [link removed]');
    expect(raw).not.toContain('signature=');
  });

  it('repeated after success is answered at once with the recorded result and not sent again', async () => {
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await fixture.fakeServer.waitForFrames('ES_MESSAGE_SENT', 1);
    fixture.fakeServer.sendRequest(sendRequest(ID));
    const [first, second] = await fixture.fakeServer.waitForFrames('ES_MESSAGE_SENT', 2);
    expect(second?.content).toMatchObject({ Id: ID, Data: null, Reference: first?.content.Reference });
    expect(fixture.outbound.sends).toHaveLength(1);
  });

  it('repeated after success is not sent again by the next process either', async () => {
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await fixture.fakeServer.waitForFrames('ES_MESSAGE_SENT', 1);
    await fixture.restart();
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await fixture.fakeServer.waitForFrames('ES_MESSAGE_SENT', 2);
    expect(fixture.outbound.sends).toHaveLength(1);
  });

  it('repeated while it is being sent joins that attempt: two answers, one mail', async () => {
    let finish: (outcome: Outcome) => void = () => {};
    fixture.outbound.onSend = () => new Promise((resolve) => (finish = resolve));
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await waitFor('the first send', () => fixture.outbound.sends.length === 1);
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await fixture.clock.advance(10);
    finish({ kind: 'sent', deliverySystemId: 'x' });
    const answers = await fixture.fakeServer.waitForFrames('ES_MESSAGE_SENT', 2);
    expect(answers.map((frame) => frame.content.Data)).toEqual([null, null]);
    expect(fixture.outbound.sends).toHaveLength(1);
  });

  it('repeated after a failure is a fresh attempt', async () => {
    fixture.outbound.onSend = async () => ({ kind: 'rejected', detail: '550 5.1.1 no such user' });
    fixture.fakeServer.sendRequest(sendRequest(ID));
    const { content } = await fixture.fakeServer.waitForFrame('ES_MESSAGE_SENT');
    expect(content).toMatchObject({ Id: ID, Data: '550 5.1.1 no such user', Reference: null });
    fixture.outbound.onSend = async () => ({ kind: 'sent', deliverySystemId: 'x' });
    fixture.fakeServer.sendRequest(sendRequest(ID));
    const [, second] = await fixture.fakeServer.waitForFrames('ES_MESSAGE_SENT', 2);
    expect(second?.content.Data).toBeNull();
    expect(fixture.outbound.sends).toHaveLength(2);
  });

  it('for a gateway that does not run is answered with an error at once', async () => {
    const unknown = '99999999-9999-4999-8999-999999999999';
    fixture.fakeServer.sendRequest(sendRequest(ID, { GatewayId: unknown }));
    const { content } = await fixture.fakeServer.waitForFrame('ES_MESSAGE_SENT');
    expect(content).toMatchObject({ Id: ID, RefId: unknown });
    expect(content.Data).toContain('the list of the server does not contain it');
  });

  it('that cannot be read but has an Id is answered with an error that says what is wrong', async () => {
    fixture.fakeServer.send('SE_MESSAGE_SENDING', { MessageId: ID, GatewayId: OUT, RemoteAddress: 42 });
    const { content } = await fixture.fakeServer.waitForFrame('ES_MESSAGE_SENT');
    expect(content).toMatchObject({ Id: ID, RefId: OUT });
    expect(content.Data).toContain('RemoteAddress');
  });

  it('without an Id is counted and not answered', async () => {
    fixture.fakeServer.send('SE_MESSAGE_SENDING', { GatewayId: OUT });
    fixture.fakeServer.send('SE_MESSAGE_SENDING', 'nonsense');
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await fixture.fakeServer.waitForFrame('ES_MESSAGE_SENT');
    expect(fixture.fakeServer.sent).toHaveLength(1);
  });

  it('with an invalid address is answered with an error and nothing is sent', async () => {
    fixture.fakeServer.sendRequest(sendRequest(ID, { RemoteAddress: 'not an address' }));
    const { content } = await fixture.fakeServer.waitForFrame('ES_MESSAGE_SENT');
    expect(content.Data).toContain('not an address');
    expect(fixture.outbound.sends).toHaveLength(0);
  });

  it('that is deferred is tried again inside its 85 s', async () => {
    const outcomes: Outcome[] = [{ kind: 'deferred', detail: '451 greylisted' }];
    fixture.outbound.onSend = async () => outcomes.shift() ?? { kind: 'sent', deliverySystemId: 'x' };
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await waitFor('the first send', () => fixture.outbound.sends.length === 1);
    await fixture.clock.advance(5_000);
    const { content } = await fixture.fakeServer.waitForFrame('ES_MESSAGE_SENT');
    expect(content.Data).toBeNull();
    expect(fixture.outbound.sends).toHaveLength(2);
  });

  it('that is deferred all the time is answered inside 85 s with the counterparty’s own words', async () => {
    fixture.outbound.onSend = async () => ({ kind: 'deferred', detail: '451 4.7.1 come back later' });
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await waitFor('the first send', () => fixture.outbound.sends.length === 1);
    for (let second = 0; second < 85 && fixture.fakeServer.sent.length === 0; second++)
      await fixture.clock.advance(1_000);
    const { content } = await fixture.fakeServer.waitForFrame('ES_MESSAGE_SENT');
    expect(content.Data).toBe('451 4.7.1 come back later');
    expect(fixture.outbound.sends.length).toBeGreaterThan(2);
  });

  it('whose counterparty hangs is answered before 90 s as unknown, exactly once', async () => {
    fixture.outbound.onSend = never;
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await waitFor('the first send', () => fixture.outbound.sends.length === 1);
    await fixture.clock.advance(84_000);
    expect(fixture.fakeServer.sent).toHaveLength(0);
    await fixture.clock.advance(4_000);
    const { content } = await fixture.fakeServer.waitForFrame('ES_MESSAGE_SENT');
    expect(content.Data).toContain('delivery uncertain');
    await fixture.clock.advance(200_000);
    expect(fixture.fakeServer.sent).toHaveLength(1);
    expect(fixture.outbound.sends).toHaveLength(1);
  });

  it('of unknown outcome is sent again under the same Message-ID when the policy is Resend', async () => {
    const outcomes: Outcome[] = [{ kind: 'unknown', detail: 'closed after the final dot' }];
    fixture.outbound.onSend = async () => outcomes.shift() ?? { kind: 'sent', deliverySystemId: 'x' };
    fixture.fakeServer.sendRequest(sendRequest(ID));
    const { content } = await fixture.fakeServer.waitForFrame('ES_MESSAGE_SENT');
    expect(content.Data).toBeNull();
    const [first, second] = fixture.outbound.sends;
    expect(second?.mail.messageId).toBe(first?.mail.messageId);
    expect(Buffer.compare(Buffer.from(second?.mail.raw ?? []), Buffer.from(first?.mail.raw ?? []))).toBe(0);
  });

  it('of unknown outcome is held when the policy is Hold, also when the server repeats it', async () => {
    fixture.outbound.whenUncertain = 'Hold';
    fixture.outbound.onSend = async () => ({ kind: 'unknown', detail: 'closed after the final dot' });
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await fixture.fakeServer.waitForFrames('ES_MESSAGE_SENT', 1);
    fixture.fakeServer.sendRequest(sendRequest(ID));
    const answers = await fixture.fakeServer.waitForFrames('ES_MESSAGE_SENT', 2);
    for (const { content } of answers) expect(content.Data).toContain('held until an operator');
    expect(fixture.outbound.sends).toHaveLength(1);
  });

  it('of unknown outcome counts as sent when the policy is AssumeSent', async () => {
    fixture.outbound.whenUncertain = 'AssumeSent';
    fixture.outbound.onSend = async () => ({ kind: 'unknown', detail: 'closed after the final dot' });
    fixture.fakeServer.sendRequest(sendRequest(ID));
    const { content } = await fixture.fakeServer.waitForFrame('ES_MESSAGE_SENT');
    expect(content.Data).toBeNull();
    expect(fixture.outbound.sends).toHaveLength(1);
  });

  it('whose send throws is unknown, never "try again" without the policy', async () => {
    fixture.outbound.whenUncertain = 'Hold';
    fixture.outbound.onSend = async () => {
      throw new Error('a bug in the driver');
    };
    fixture.fakeServer.sendRequest(sendRequest(ID));
    const { content } = await fixture.fakeServer.waitForFrame('ES_MESSAGE_SENT');
    expect(content.Data).toContain('a bug in the driver');
    expect(fixture.outbound.sends).toHaveLength(1);
  });

  it('that came to its outcome after the answer is answered with it when the server repeats', async () => {
    let finish: (outcome: Outcome) => void = () => {};
    fixture.outbound.onSend = () => new Promise((resolve) => (finish = resolve));
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await waitFor('the first send', () => fixture.outbound.sends.length === 1);
    await fixture.clock.advance(88_000);
    await fixture.fakeServer.waitForFrames('ES_MESSAGE_SENT', 1);
    finish({ kind: 'sent', deliverySystemId: 'late' });
    await fixture.clock.advance(10);
    fixture.fakeServer.sendRequest(sendRequest(ID));
    const [, second] = await fixture.fakeServer.waitForFrames('ES_MESSAGE_SENT', 2);
    expect(second?.content.Data).toBeNull();
    expect(fixture.outbound.sends).toHaveLength(1);
  });
});

describe('an outbound message for several recipients', () => {
  const three = {
    ExtendedFields: JSON.stringify({
      To: ['a', 'b', 'c'].map((name) => ({ Name: name, Address: `${name}@example.com` })),
    }),
  };

  it('that some of them reject is answered with their addresses and reasons, and a repeat goes only to the others', async () => {
    const outcomes: Outcome[] = [
      {
        kind: 'partial',
        deliverySystemId: 'x',
        accepted: ['a@example.com', 'c@example.com'],
        refused: [{ recipient: 'b@example.com', temporary: false, detail: '550 unknown' }],
      },
    ];
    fixture.outbound.onSend = async () => outcomes.shift() ?? { kind: 'sent', deliverySystemId: 'x' };
    fixture.fakeServer.sendRequest(sendRequest(ID, three));
    const { content } = await fixture.fakeServer.waitForFrame('ES_MESSAGE_SENT');
    expect(content.Data).toContain('b@example.com: 550 unknown');
    expect(content.Data).toContain('accepted for a@example.com, c@example.com');
    fixture.fakeServer.sendRequest(sendRequest(ID, three));
    await fixture.fakeServer.waitForFrames('ES_MESSAGE_SENT', 2);
    expect(fixture.outbound.sends[1]?.mail.recipients).toEqual(['b@example.com']);
  });

  it('that is deferred for some of them is tried again for those only', async () => {
    const outcomes: Outcome[] = [
      {
        kind: 'partial',
        deliverySystemId: 'x',
        accepted: ['a@example.com', 'c@example.com'],
        refused: [{ recipient: 'b@example.com', temporary: true, detail: '451 later' }],
      },
    ];
    fixture.outbound.onSend = async () => outcomes.shift() ?? { kind: 'sent', deliverySystemId: 'x' };
    fixture.fakeServer.sendRequest(sendRequest(ID, three));
    await waitFor('the first send', () => fixture.outbound.sends.length === 1);
    await fixture.clock.advance(5_000);
    const { content } = await fixture.fakeServer.waitForFrame('ES_MESSAGE_SENT');
    expect(content.Data).toBeNull();
    expect(fixture.outbound.sends.map(({ mail }) => mail.recipients.length)).toEqual([3, 1]);
  });
});

describe('the answer', () => {
  it('that cannot be written because the link is down is written on the next one', async () => {
    let finish: (outcome: Outcome) => void = () => {};
    fixture.outbound.onSend = () => new Promise((resolve) => (finish = resolve));
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await waitFor('the first send', () => fixture.outbound.sends.length === 1);
    fixture.fakeServer.drop();
    await waitFor('the connection to be down', () => fixture.service.state().is === 'down');
    finish({ kind: 'sent', deliverySystemId: 'x' });
    await fixture.clock.advance(2_000);
    const { content, connection } = await fixture.fakeServer.waitForFrame('ES_MESSAGE_SENT');
    expect(content.Data).toBeNull();
    expect(connection).toBe(2);
  });

  it('of an outbound message that a stop cut short says so', async () => {
    fixture.outbound.onSend = never;
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await waitFor('the first send', () => fixture.outbound.sends.length === 1);
    await fixture.restart();
    expect(fixture.fakeServer.sent).toHaveLength(1);
    expect(fixture.fakeServer.sent[0]?.Data).toContain('delivery uncertain');
  });
});
