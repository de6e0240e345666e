import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Fixture, gateway, IN, OUT, startFixture, usual } from '../../../test/fixtures/connector.js';
import { waitFor } from '../../../test/fixtures/wait-for.js';

let fixture: Fixture;
beforeEach(async () => {
  fixture = await startFixture({ env: { GATEPOST_SECRET_BOX: 'very-secret-word', HOME: '/root' } });
});
afterEach(() => fixture.close());

const view = (id: string) => fixture.service.views().find((candidate) => candidate.id === id);
const refresh = async (ms = 60_000) => {
  const before = fixture.fakeServer.frames.filter((frame) => frame.code === 'ES_SL_GETGATEWAYS').length;
  await fixture.clock.advance(ms);
  await fixture.fakeServer.waitForFrames('ES_SL_GETGATEWAYS', before + 1);
  await fixture.clock.advance(10);
};

describe('the list of gateways', () => {
  it('is asked for with the PeerAddress after login, and again every minute', async () => {
    expect(
      fixture.fakeServer.frames.filter((frame) => frame.code === 'ES_SL_GETGATEWAYS').map((frame) => frame.content),
    ).toEqual(['@gatepost']);
    await refresh();
    expect(fixture.fakeServer.frames.filter((frame) => frame.code === 'ES_SL_GETGATEWAYS')).toHaveLength(2);
  });

  it('does not touch gateways that are unchanged', async () => {
    await refresh();
    expect([fixture.inbound.opened, fixture.inbound.closed]).toEqual([1, 0]);
  });

  it('restarts a changed gateway and no other', async () => {
    fixture.fakeServer.gateways = [gateway(IN, 'I', 'TestIn { "Name": "changed" }'), ...usual().slice(1)];
    await refresh();
    await waitFor('the inbound driver to be opened again', () => fixture.inbound.opened === 2);
    expect(fixture.inbound.closed).toBe(1);
    expect([fixture.outbound.opened, fixture.outbound.closed]).toEqual([1, 0]);
  });

  it('stops a vanished gateway only after what is under way has come to its end', async () => {
    fixture.fakeServer.onReceiving = () => 'silent';
    await fixture.clock.advance(50_000);
    const put = fixture.inbound.put('one');
    const { content } = await fixture.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    fixture.fakeServer.gateways = usual().slice(1);
    await refresh(10_000);
    await waitFor('the gateway to drain', () => view(IN)?.state === 'draining' || view(IN) === undefined);
    expect(fixture.inbound.closed).toBe(0);
    fixture.fakeServer.acknowledge(content);
    await waitFor('the inbound driver to be closed', () => fixture.inbound.closed === 1);
    expect(put.events).toEqual(['confirmed']);
  });

  it('keeps a two-way gateway as two', async () => {
    fixture.fakeServer.gateways = [
      gateway(OUT, 'I', 'TestIn { "Name": "a" }'),
      gateway(OUT, 'O', 'TestOut { "Name": "b" }'),
    ];
    await refresh();
    await waitFor(
      'both gateways to run',
      () => fixture.service.views().filter((one) => one.state === 'running').length === 2,
    );
    const keys = fixture.service.views().map((one) => `${one.id}${one.direction}`);
    expect(new Set(keys)).toEqual(new Set([`${OUT}I`, `${OUT}O`]));
  });

  const mistakes: [string, string, string][] = [
    ['an unknown device', 'ImapHots { "Host": "x" }', 'unknown device type "ImapHots"'],
    ['a device that FrontStage runs itself', 'Pop3Host { }', 'run by FrontStage itself'],
    ['an unknown setting', 'TestIn { "Name": "a", "Nmae": "b" }', 'did you mean "Name"'],
    ['a missing setting', 'TestIn { }', 'Name is missing'],
    ['broken JSON', 'TestIn { "Name": }', 'JSON'],
    ['a secret outside the prefix', 'TestIn { "Name": "a", "Password": "${env:HOME}" }', 'GATEPOST_SECRET_'],
    [
      'a secret file outside the folder',
      'TestIn { "Name": "a", "Password": "${file:../etc/passwd}" }',
      'plain file name',
    ],
    ['a secret that is not set', 'TestIn { "Name": "a", "Password": "${env:GATEPOST_SECRET_NONE}" }', 'not set'],
    ['a reference where none may be', 'TestIn { "Name": "${env:GATEPOST_SECRET_BOX}" }', 'write the value itself'],
  ];
  for (const [what, device, words] of mistakes) {
    it(`skips ${what}, says so, and runs the others`, async () => {
      const bad = '33333333-3333-4333-8333-333333333333';
      fixture.fakeServer.gateways = [gateway(bad, 'I', device), ...usual()];
      await refresh();
      await waitFor('the gateway to be known', () => view(bad) !== undefined);
      expect(view(bad)).toMatchObject({ state: 'skipped' });
      expect(view(bad)?.problem).toContain(words);
      expect(view(IN)?.state).toBe('running');
      expect(fixture.lines.join('')).not.toContain('very-secret-word');
    });
  }

  it('skips a line that is no gateway at all', async () => {
    fixture.fakeServer.gateways = [{ Id: 'nonsense' } as never, 'text' as never, ...usual()];
    await refresh();
    expect(fixture.service.views()).toHaveLength(2);
    expect(fixture.lines.join('')).toContain('entry of the list of gateways is skipped');
  });

  it('that is no list leaves everything running', async () => {
    fixture.fakeServer.gateways = { not: 'a list' } as never;
    await refresh();
    expect(fixture.service.views()).toHaveLength(2);
  });
});

describe('a gateway', () => {
  it('whose session cannot be opened is failing with the reason, and comes back by itself', async () => {
    fixture.inbound.openFailure = 'the mail server refused the login';
    fixture.fakeServer.gateways = [gateway(IN, 'I', 'TestIn { "Name": "again" }'), ...usual().slice(1)];
    await refresh();
    await waitFor('the gateway to fail', () => view(IN)?.state === 'failing');
    expect(view(IN)?.problem).toContain('refused the login');
    expect(view(OUT)?.state).toBe('running');
    fixture.inbound.openFailure = null;
    await fixture.clock.advance(61_000);
    await waitFor('the gateway to run', () => view(IN)?.state === 'running');
    expect(view(IN)?.problem).toBeNull();
  });

  it('never shows its secrets in the log', async () => {
    fixture.fakeServer.gateways = [
      gateway(IN, 'I', 'TestIn { "Name": "a", "Password": "${env:GATEPOST_SECRET_BOX}" }'),
      ...usual().slice(1),
    ];
    fixture.inbound.openFailure = 'login with very-secret-word was refused';
    await refresh();
    await waitFor('the gateway to fail', () => view(IN)?.state === 'failing');
    expect(view(IN)?.problem).toBe('login with [hidden] was refused');
    expect(fixture.lines.join('')).not.toContain('very-secret-word');
  });
});
