// Messages whose outcome is unknown, through the whole connector: nothing turns "unknown" into "not sent".
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Fixture, IN, OUT, sendRequest, startFixture, usual } from '../../../test/fixtures/connector.js';
import { waitFor } from '../../../test/fixtures/wait-for.js';
import type { Outcome } from '../../driver/contract.js';

const ID = 'aaaaaaaa-0000-4000-8000-000000000001';
const CUT: Outcome = { kind: 'unknown', detail: 'closed after the final dot' };
let fixture: Fixture;
beforeEach(async () => {
  fixture = await startFixture();
});
afterEach(async () => {
  expect(fixture.fakeServer.violations).toEqual([]);
  await fixture.close();
});

const answers = async (count: number) =>
  (await fixture.fakeServer.waitForFrames('ES_MESSAGE_SENT', count)).map(({ content }) => content);
const sql = (text: string) => {
  const database = new DatabaseSync(join(fixture.folder, 'data', 'journal.db'), { timeout: 5_000 });
  try {
    database.exec(text);
  } finally {
    database.close();
  }
};
/** The server's list without the outbound gateway, put in place. */
const removeGateway = async () => {
  fixture.fakeServer.gateways = usual().filter(({ Id }) => Id === IN);
  await fixture.clock.advance(60_000);
  await waitFor('the gateway to be gone', () => fixture.service.views().every(({ id }) => id !== OUT));
};

describe('an unknown outcome', () => {
  it('followed by a rejection of the repeat is still unknown', async () => {
    const outcomes: Outcome[] = [CUT, { kind: 'rejected', detail: '550 no such user' }];
    fixture.outbound.onSend = async () => outcomes.shift() ?? { kind: 'sent', deliverySystemId: 'x' };
    fixture.fakeServer.sendRequest(sendRequest(ID));
    const [first] = await answers(1);
    expect(first.Data).toBe(
      'delivery uncertain: closed after the final dot; a repeat was not accepted: 550 no such user',
    );
  });

  it('under Hold survives a repeat that cannot be composed, and one that can', async () => {
    fixture.outbound.whenUncertain = 'Hold';
    fixture.outbound.onSend = async () => CUT;
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await answers(1);
    fixture.fakeServer.sendRequest(sendRequest(ID, { RemoteAddress: 'no address' }));
    await answers(2);
    fixture.fakeServer.sendRequest(sendRequest(ID));
    for (const { Data } of await answers(3)) expect(Data).toContain('delivery uncertain, held until an operator');
    expect(fixture.outbound.sends).toHaveLength(1);
  });

  it('under Resend is not called "not sent" when the repeat cannot be composed', async () => {
    fixture.outbound.onSend = async () => CUT;
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await answers(1);
    fixture.fakeServer.sendRequest(sendRequest(ID, { RemoteAddress: 'no address' }));
    const [, second] = await answers(2);
    expect(second.Data).toMatch(/^delivery uncertain: closed after the final dot; not sent again: .*no address/);
  });

  it('is said also when the gateway is gone', async () => {
    fixture.outbound.whenUncertain = 'Hold';
    fixture.outbound.onSend = async () => CUT;
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await answers(1);
    await removeGateway();
    fixture.fakeServer.sendRequest(sendRequest(ID));
    const [, second] = await answers(2);
    expect(second.Data).toMatch(/^delivery uncertain: closed after the final dot; not sent again: gateway/);
  });
});

describe('a message that was sent', () => {
  it('is answered with success whatever has become of its gateway', async () => {
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await answers(1);
    await removeGateway();
    fixture.fakeServer.sendRequest(sendRequest(ID));
    const [first, second] = await answers(2);
    expect(second).toMatchObject({ Data: null, Reference: first.Reference });
  });
});

describe('an attempt that the journal cannot record', () => {
  it('sends nothing, is answered "not sent", and the next repeat is sent', async () => {
    sql("create trigger full before insert on attempts begin select raise(abort, 'disk full'); end");
    fixture.fakeServer.sendRequest(sendRequest(ID));
    const [first] = await answers(1);
    expect(first.Data).toContain('not sent: the journal could not record the attempt');
    sql('drop trigger full');
    fixture.fakeServer.sendRequest(sendRequest(ID));
    const [, second] = await answers(2);
    expect(second.Data).toBeNull();
    expect(fixture.outbound.sends).toHaveLength(1);
  });

  it('and its outcome neither: the repeat knows that it is unknown', async () => {
    fixture.outbound.whenUncertain = 'Hold';
    sql("create trigger full before update on attempts begin select raise(abort, 'disk full'); end");
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await waitFor('the send', () => fixture.outbound.sends.length === 1);
    for (let second = 0; second < 10; second++) await fixture.clock.advance(1_000);
    const [first] = await answers(1);
    expect(first.Data).toContain('delivery uncertain');
    sql('drop trigger full');
    fixture.fakeServer.sendRequest(sendRequest(ID));
    const [, second] = await answers(2);
    expect(second.Data).toContain('held until an operator');
    expect(fixture.outbound.sends).toHaveLength(1);
  });
});

describe('after the process died while it was sending', () => {
  const outline = JSON.stringify({
    kind: 'mail',
    messageId: `<${ID}@x>`,
    from: 'a@x',
    recipients: ['ann@example.com'],
  });
  const leftBehind = (state: string, accepted = '[]') =>
    sql(
      `insert into outbound_messages (message_id, gateway_id, state, attempts, delivery_system_id, accepted_recipients,
         remote_address, subject, bytes, asked, answered, asked_at, changed_at, first_attempt_at, detail)
       values ('${ID}', '${OUT}', '${state}', 1, '${ID}@x', '${accepted}', 'ann@example.com', '', 5, 1, 0,
         ${fixture.clock.now()}, 0, 0, 'rejected by bob@x: 550');
       insert into attempts (message_id, number, gateway_id, delivery_system_id, state, accepted_recipients, outline,
         detail, started_at, owner)
       values ('${ID}', 1, '${OUT}', '${ID}@x', '${state}', '${accepted}', '${outline}', 'rejected by bob@x: 550', 7,
         ${state === 'sending' ? "'a process that is gone'" : 'null'})`,
    );
  /** Starts again; what is owed from before waits a moment for the server to repeat it. */
  const restart = async () => {
    await fixture.restart();
    for (let second = 0; second < 3; second++) await fixture.clock.advance(1_000);
  };

  it.each([
    [{ kind: 'sent', deliverySystemId: 'x' }, null],
    [{ kind: 'rejected', detail: '550 no' }, '550 no'],
    [{ kind: 'deferred', detail: 'never written' }, 'not sent: never written'],
    [
      {
        kind: 'partial',
        deliverySystemId: 'x',
        accepted: ['ann@example.com'],
        refused: [{ recipient: 'bob@example.com', temporary: true, detail: '450 busy' }],
      },
      'accepted for ann@example.com; rejected: bob@example.com: 450 busy',
    ],
    ['not found', /^delivery uncertain: the process that was sending it ended/],
  ] as const)('the lookup says %j before the answer does', async (found, data) => {
    const asked: unknown[] = [];
    Object.assign(fixture.outbound.driver, {
      lookup: async (_session: unknown, mail: object, attempt: object) => {
        asked.push({ ...mail, ...attempt });
        return found;
      },
    });
    leftBehind('sending');
    await restart();
    const [answer] = await answers(1);
    if (data instanceof RegExp) expect(answer.Data).toMatch(data);
    else expect(answer.Data).toBe(data);
    expect(asked).toMatchObject([{ messageId: ID, number: 1, startedAt: 7, recipients: ['ann@example.com'] }]);
    expect(fixture.outbound.sends).toEqual([]);
  });

  it('what a lookup says about recipients counts for the repeat: only the others get the mail', async () => {
    const refused = [{ recipient: 'bob@example.com', temporary: true, detail: '450 busy' }];
    Object.assign(fixture.outbound.driver, {
      lookup: async () => ({ kind: 'partial', deliverySystemId: 'x', accepted: ['ann@example.com'], refused }),
    });
    leftBehind('sending');
    await restart();
    await answers(1);
    fixture.fakeServer.sendRequest(sendRequest(ID, { RemoteAddress: 'ann@example.com, bob@example.com' }));
    expect((await answers(2))[1].Data).toBeNull();
    expect(fixture.outbound.sends.map(({ mail }) => mail.recipients)).toEqual([['bob@example.com']]);
  });

  it('a repeat that comes at the login is sent again, it does not wait for a lookup without the content', async () => {
    let lookups = 0;
    Object.assign(fixture.outbound.driver, {
      lookup: async () => {
        lookups += 1;
        return 'not found';
      },
    });
    leftBehind('sending');
    await fixture.restart();
    expect(lookups).toBe(0);
    fixture.fakeServer.sendRequest(sendRequest(ID));
    const [answer] = await answers(1);
    expect(answer.Data).toBeNull();
    await fixture.clock.advance(5_000);
    expect(fixture.fakeServer.sent).toHaveLength(1);
    expect([lookups, fixture.outbound.sends.length]).toEqual([1, 1]);
  });

  it('a partial send is answered with the recipients that have it', async () => {
    leftBehind('partial', '["ann@example.com"]');
    await restart();
    const [answer] = await answers(1);
    expect(answer.Data).toBe('accepted for ann@example.com; not sent to the others: rejected by bob@x: 550');
  });
});
