import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { gateway, openPort } from '../../test/fixtures/http-port.js';
import { GatepostError } from '../kit/errors.js';
import type { Readiness } from './probes.js';

let port: Awaited<ReturnType<typeof openPort>>;
beforeEach(async () => {
  port = await openPort({}, (text) => text.replaceAll('hunter2', '[hidden]'));
});
afterEach(() => port.http.close());

const ready = async (path = '/ready') => {
  const answer = await port.get(path);
  const body: Readiness = JSON.parse(await answer.text());
  return { status: answer.status, body };
};

describe('/live', () => {
  test('answers whatever state server and journal are in', async () => {
    port.platform.server = { is: 'down', reason: 'refused' };
    port.platform.healthy = () => new Promise(() => {});
    const answer = await port.get('/live');
    expect([answer.status, await answer.json()]).toEqual([200, { status: 'live' }]);
  });

  test('answers HEAD too', async () => {
    expect((await port.get('/live', { method: 'HEAD' })).status).toBe(200);
  });
});

describe('/ready', () => {
  test('is 200 with session, journal and each gateway when all is well', async () => {
    const { status, body } = await ready();
    expect(status).toBe(200);
    expect(body).toMatchObject({
      status: 'ready',
      degraded: false,
      problems: [],
      server: { state: 'up', since: '2026-11-22T10:00:00.000Z', reason: null },
      journal: { healthy: true, problem: null },
      gatewayListReceived: true,
      gateways: [
        { id: 'in', displayName: 'Support', device: 'ImapHost', direction: 'I', state: 'running', problem: null },
        { id: 'out', displayName: 'Relay', device: 'SmtpHost', direction: 'O', state: 'running', problem: null },
      ],
    });
  });

  test('is degraded while messages wait that were being read when the process died', async () => {
    port.platform.suspects = 2;
    const { status, body } = await ready();
    expect([status, body.degraded]).toEqual([200, true]);
    expect(body.problems.join()).toMatch(/^2 messages were being read when the process died/);
  });

  test('is 503 while the session is down, with the reason and the next try', async () => {
    const now = port.clock.now();
    port.platform.server = {
      is: 'down',
      since: now,
      retryAt: now + 5_000,
      reason: 'connection refused by 10.0.0.1:18321',
    };
    const { status, body } = await ready();
    expect(status).toBe(503);
    expect(body.server).toEqual({
      state: 'down',
      since: '2026-11-22T10:00:00.000Z',
      retryAt: '2026-11-22T10:00:05.000Z',
      reason: 'connection refused by 10.0.0.1:18321',
    });
    expect(body.problems).toEqual(['server session is down: connection refused by 10.0.0.1:18321']);
  });

  test('is 503 until the server has sent its gateway list', async () => {
    port.platform.listed = false;
    const { status, body } = await ready();
    expect([status, body.status, body.gatewayListReceived]).toEqual([503, 'not ready', false]);
  });

  test('is 503 while the journal cannot write, with its sentence and advice', async () => {
    port.platform.healthy = async () => {
      throw new GatepostError('journal/full', 'the disk is full', { advice: 'make room in /var/lib/gatepost' });
    };
    const { status, body } = await ready();
    expect(status).toBe(503);
    expect(body.journal).toEqual({ healthy: false, problem: 'the disk is full; make room in /var/lib/gatepost' });
  });

  test('stays 200 but degraded when a gateway fails or is skipped: one bad mailbox must not restart the service', async () => {
    port.platform.gateways.push(
      gateway({ id: 'b', displayName: 'Billing', state: 'failing', problem: 'mail.example.com refused the password' }),
      gateway({ id: 'f', displayName: 'Fax', device: 'Nonsense', state: 'skipped', problem: 'unknown device' }),
    );
    const { status, body } = await ready();
    expect([status, body.status, body.degraded]).toEqual([200, 'ready', true]);
    expect(body.problems).toEqual([
      'gateway "Billing" (ImapHost, I) is failing: mail.example.com refused the password',
      'gateway "Fax" (Nonsense, I) is skipped: unknown device',
    ]);
  });

  test('asks the journal once in two seconds, however many ask', async () => {
    let asked = 0;
    port.platform.healthy = async () => {
      asked += 1;
    };
    await Promise.all(Array.from({ length: 10 }, () => ready()));
    await port.clock.advance(1_999);
    await ready();
    expect(asked).toBe(1);
    await port.clock.advance(1);
    await ready();
    expect(asked).toBe(2);
  });

  test('sees a journal that has recovered after two seconds', async () => {
    port.platform.healthy = () => Promise.reject(new Error('locked'));
    expect((await ready()).status).toBe(503);
    port.platform.healthy = async () => {};
    await port.clock.advance(2_000);
    expect((await ready()).status).toBe(200);
  });

  test('does not hang on a journal that hangs, and does not ask it a second time meanwhile', async () => {
    let asked = 0;
    port.platform.healthy = () => {
      asked += 1;
      return new Promise(() => {});
    };
    for (let round = 0; round < 2; round++) {
      const answer = ready();
      await port.clock.waitForTimers(1);
      await port.clock.advance(5_000);
      const { status, body } = await answer;
      expect([status, body.journal.problem]).toEqual([503, 'the write test: no result within 5000 ms']);
    }
    expect(asked).toBe(1);
    expect(port.clock.armed).toBe(0);
  });

  test('shows no secret that a library put into its message', async () => {
    port.platform.server = { is: 'down', reason: 'login with hunter2 refused' };
    port.platform.healthy = () => Promise.reject(new Error('cannot open hunter2'));
    port.platform.gateways.push(gateway({ state: 'failing', problem: 'AUTH hunter2 failed' }));
    const body = await (await port.get('/ready')).text();
    expect(body).not.toContain('hunter2');
    expect(body).toContain('AUTH [hidden] failed');
  });

  test('as text is aligned lines for operators, one per gateway, whatever its name holds', async () => {
    port.platform.gateways.push(
      gateway({ id: 'b', displayName: 'Bill\ning', state: 'failing', problem: 'no\r\nentry' }),
    );
    const text = await (await port.get('/ready?format=text')).text();
    expect(text.split('\n')).toEqual([
      'status    ready, degraded',
      'server    up, since 2026-11-22T10:00:00.000Z',
      'journal   healthy',
      'gateways  3',
      '  running  I  ImapHost  Support   in',
      '  running  O  SmtpHost  Relay     out',
      '  failing  I  ImapHost  Bill ing  b    no entry',
      '',
    ]);
  });
});
