// One delivery per message and one answer per request, through the whole connector.
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Fixture, gateway, OUT, sendRequest, startFixture, usual } from '../../../test/fixtures/connector.js';
import { waitFor } from '../../../test/fixtures/wait-for.js';
import type { Outcome } from '../../driver/contract.js';

const ID = 'aaaaaaaa-0000-4000-8000-000000000001';
const OTHER = '44444444-4444-4444-8444-444444444444';
const SENT: Outcome = { kind: 'sent', deliverySystemId: 'x' };
let fixture: Fixture;
beforeEach(async () => {
  fixture = await startFixture({ gateways: [...usual(), gateway(OTHER, 'O', 'TestOut { "Name": "c" }')] });
});
afterEach(async () => {
  expect(fixture.fakeServer.violations).toEqual([]);
  await fixture.close();
});

const answers = async (count: number) =>
  (await fixture.fakeServer.waitForFrames('ES_MESSAGE_SENT', count)).map(({ content }) => content);
const sends = (count: number) => waitFor(`${count} sends`, () => fixture.outbound.sends.length === count);
/** Lets sends wait until the returned function gives them their outcome. */
const hang = () => {
  let finish: (outcome: Outcome) => void = () => {};
  fixture.outbound.onSend = () => new Promise((resolve) => (finish = resolve));
  return (outcome: Outcome) => finish(outcome);
};
const withJournal = <T>(work: (database: InstanceType<typeof DatabaseSync>) => T): T => {
  const database = new DatabaseSync(join(fixture.folder, 'data', 'journal.db'), { timeout: 5_000 });
  try {
    return work(database);
  } finally {
    database.close();
  }
};
const owed = () => withJournal((database) => database.prepare('select asked, answered from outbound_messages').all());

describe('a repeat while the message is being sent', () => {
  it('joins the delivery, also through another gateway: two answers, one mail', async () => {
    const finish = hang();
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await sends(1);
    fixture.fakeServer.sendRequest(sendRequest(ID, { GatewayId: OTHER }));
    await waitFor('the repeat in the journal', () => owed()[0]?.asked === 2);
    finish(SENT);
    const both = await answers(2);
    expect(both.map(({ RefId, Data }) => [RefId, Data]).sort()).toEqual([
      [OUT, null],
      [OTHER, null],
    ]);
    expect(fixture.outbound.sends).toHaveLength(1);
    await waitFor('both answers to be noted', () => owed()[0]?.answered === 2);
  });

  it('in the same turn joins as well', async () => {
    const finish = hang();
    for (let repeat = 0; repeat < 5; repeat++) fixture.fakeServer.sendRequest(sendRequest(ID));
    await sends(1);
    await waitFor('all requests in the journal', () => owed()[0]?.asked === 5);
    finish(SENT);
    await answers(5);
    expect(fixture.outbound.sends).toHaveLength(1);
  });
});

describe('a repeat after the connection was lost', () => {
  const reconnected = async () => {
    for (let step = 0; step < 20 && fixture.service.state().is !== 'up'; step++) await fixture.clock.advance(100);
    await waitFor('the link', () => fixture.service.state().is === 'up');
  };

  it('takes over the answer that the old connection is owed: one answer, the newest truth', async () => {
    const finish = hang();
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await sends(1);
    fixture.fakeServer.drop();
    await waitFor('the link to be down', () => fixture.service.state().is !== 'up');
    finish({ kind: 'rejected', detail: '550 no' });
    fixture.outbound.onSend = async () => SENT;
    await reconnected();
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await sends(2);
    const [answer] = await answers(1);
    expect(answer.Data).toBeNull();
    await fixture.clock.advance(5_000);
    expect(fixture.fakeServer.sent).toHaveLength(1);
    expect(owed()).toEqual([{ asked: 2, answered: 2 }]);
  });

  it('is not awaited for long: without it the old answer is given', async () => {
    const finish = hang();
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await sends(1);
    fixture.fakeServer.drop();
    await waitFor('the link to be down', () => fixture.service.state().is !== 'up');
    finish({ kind: 'rejected', detail: '550 no' });
    await reconnected();
    await fixture.clock.advance(2_000);
    expect((await answers(1))[0].Data).toBe('550 no');
  });
});

describe('an answer that could not be written in time', () => {
  it('is stood for by the answer to the repeat: the journal owes nothing more', async () => {
    const finish = hang();
    fixture.fakeServer.sendRequest(sendRequest(ID));
    await sends(1);
    fixture.fakeServer.accept = () => 'not now';
    fixture.fakeServer.drop();
    await waitFor('the link to be down', () => fixture.service.state().is !== 'up');
    finish(SENT);
    for (let second = 0; second < 95; second++) await fixture.clock.advance(1_000);
    fixture.fakeServer.accept = () => true;
    for (let second = 0; second < 60 && fixture.service.state().is !== 'up'; second++)
      await fixture.clock.advance(1_000);
    await waitFor('the link', () => fixture.service.state().is === 'up');
    fixture.fakeServer.sendRequest(sendRequest(ID));
    expect((await answers(1))[0].Data).toBeNull();
    await waitFor('the answer to be noted', () => Number(owed()[0]?.answered) > 0);
    expect(owed()).toEqual([{ asked: 2, answered: 2 }]);
  });
});

describe('an answer that was written', () => {
  it('is noted later when the journal cannot note it at once', async () => {
    withJournal((database) =>
      database.exec(
        `create trigger full before update of answered on outbound_messages begin select raise(abort, 'disk full'); end`,
      ),
    );
    fixture.fakeServer.sendRequest(sendRequest(ID));
    expect((await answers(1))[0].Data).toBeNull();
    await waitFor('the warning', () => fixture.lines.some((line) => line.includes('answer could not be noted yet')));
    withJournal((database) => database.exec('drop trigger full'));
    for (let second = 0; second < 5; second++) await fixture.clock.advance(1_000);
    expect(owed()).toEqual([{ asked: 1, answered: 1 }]);
    expect(fixture.fakeServer.sent).toHaveLength(1);
  });
});

describe('more requests than can be sent in time', () => {
  const ids = (count: number) =>
    Array.from({ length: count }, (_, index) => ID.replace(/.{2}$/, String(index).padStart(2, '0')));

  it('the last ones are not started with no time left, and are told the cause', async () => {
    hang();
    for (const id of ids(7)) fixture.fakeServer.sendRequest(sendRequest(id));
    await sends(5);
    await fixture.clock.advance(83_000);
    const early = await answers(2);
    for (const { Data } of early)
      expect(Data).toMatch(/^not sent: timed out waiting behind 5 messages on this gateway$/);
    await fixture.clock.advance(5_000);
    expect((await answers(7)).filter(({ Data }) => String(Data).startsWith('delivery uncertain'))).toHaveLength(5);
    expect(fixture.outbound.sends).toHaveLength(5);
  });

  it('the last ones are told so also when the journal cannot record it', async () => {
    // Under Hold a message that has no slot waits before its attempt is in the journal.
    fixture.outbound.whenUncertain = 'Hold';
    await fixture.restart();
    hang();
    for (const id of ids(7)) fixture.fakeServer.sendRequest(sendRequest(id));
    await sends(5);
    withJournal((database) =>
      database.exec(`create trigger full before insert on attempts begin select raise(abort, 'disk full'); end`),
    );
    await fixture.clock.advance(83_000);
    for (const { Data } of await answers(2)) expect(Data).toMatch(/^not sent: timed out waiting behind 5 messages/);
  });

  it('those that a stop cuts short are told so', async () => {
    hang();
    for (const id of ids(7)) fixture.fakeServer.sendRequest(sendRequest(id));
    await sends(5);
    await fixture.restart();
    const cut = fixture.fakeServer.sent.map(({ Data }) => Data);
    expect(cut.filter((data) => data === 'not sent: Gatepost is stopping')).toHaveLength(2);
    expect(cut.filter((data) => data?.startsWith('delivery uncertain'))).toHaveLength(5);
  });
});
