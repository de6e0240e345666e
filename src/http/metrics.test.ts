import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { gateway, openPort } from '../../test/fixtures/http-port.js';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { silentLog } from '../kit/log.js';
import type { Metrics } from '../pipeline/metrics.js';
import { createMetrics } from './metrics.js';

let port: Awaited<ReturnType<typeof openPort>>;
beforeEach(async () => {
  port = await openPort();
});
afterEach(() => port.http.close());

/** Series to value; throws on a line that is not Prometheus text format 0.0.4, or a series given twice. */
async function scrape(): Promise<Map<string, number>> {
  const answer = await port.get('/metrics');
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const values = new Map<string, number>();
  for (const line of (await answer.text()).split('\n')) {
    if (line === '' || /^# (HELP|TYPE) [a-zA-Z_:][\w:]* \S/.test(line)) continue;
    const found = /^([a-zA-Z_:][\w:]*(?:\{(?:\w+="(?:[^"\\\n]|\\["\\n])*",?)*\})?) (\S+)$/.exec(line);
    if (!found?.[1] || values.has(found[1])) throw new Error(`not a sample: ${line}`);
    values.set(found[1], Number(found[2]));
  }
  return values;
}

const waiting = { gatewayId: 'in', pending: 1, unconfirmed: 2, quarantined: 3, oldestPendingAt: null };
const day = {
  gatewayId: 'in',
  day: '2026-11-22',
  received: 10,
  delivered: 7,
  waiting: 1,
  quarantined: 2,
  duplicates: 4,
};

describe('/metrics', () => {
  test('counts the messages per gateway and result', async () => {
    const metrics: Metrics = port.metrics;
    metrics.inboundMessage('in', 'acknowledged', 0.3);
    metrics.inboundMessage('in', 'acknowledged', 70);
    metrics.inboundMessage('in', 'rejected', 5);
    metrics.confirmed('in');
    metrics.outboundMessage('out', 'sent', 1.2);
    metrics.outboundMessage('out', 'deferred', 86);
    metrics.sessionFailed('out');
    const values = await scrape();
    const expected = {
      'gatepost_arrivals_total{gateway="in",result="acknowledged"}': 2,
      'gatepost_arrivals_total{gateway="in",result="refused"}': 1,
      'gatepost_arrival_ack_seconds_count{gateway="in"}': 2,
      'gatepost_arrival_ack_seconds_bucket{le="0.5",gateway="in"}': 1,
      'gatepost_confirmed_total{gateway="in"}': 1,
      'gatepost_orders_total{gateway="out",result="sent"}': 1,
      'gatepost_orders_total{gateway="out",result="deferred"}': 1,
      'gatepost_order_answer_seconds_bucket{le="85",gateway="out"}': 1,
      'gatepost_order_answer_seconds_bucket{le="90",gateway="out"}': 2,
      'gatepost_gateway_broken_total{gateway="out"}': 1,
    };
    for (const [series, value] of Object.entries(expected))
      expect([series, values.get(series)]).toEqual([series, value]);
    const current = {
      'gatepost_inbound_messages_total{gateway_id="in",gateway="Support",result="acknowledged"}': 2,
      'gatepost_inbound_messages_total{gateway_id="in",gateway="Support",result="rejected"}': 1,
      'gatepost_inbound_ack_duration_seconds_count{gateway_id="in",gateway="Support"}': 2,
      'gatepost_inbound_confirmed_total{gateway_id="in",gateway="Support"}': 1,
      'gatepost_outbound_messages_total{gateway_id="out",gateway="Relay",result="deferred"}': 1,
      'gatepost_outbound_answer_duration_seconds_bucket{le="85",gateway_id="out",gateway="Relay"}': 1,
      'gatepost_gateway_session_failures_total{gateway_id="out",gateway="Relay"}': 1,
    };
    for (const [series, value] of Object.entries(current))
      expect([series, values.get(series)]).toEqual([series, value]);
  });

  test('names the replacement in the help of every old metric', async () => {
    const page = await (await port.get('/metrics')).text();
    const help = new Map([...page.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, name = '', text = '']) => [name, text]));
    const deprecated = [...help].filter(([, text]) => text.startsWith('Deprecated, use gatepost_'));
    expect(deprecated).toHaveLength(18);
    for (const [, text] of deprecated)
      for (const [name] of text.matchAll(/gatepost_\w+/g)) expect([...help.keys()]).toContain(name);
  });

  test('counts a degraded gateway as one that is up', async () => {
    port.platform.gateways = [gateway({ state: 'degraded', problem: 'half of the messages wait' })];
    const values = await scrape();
    const up = 'gatepost_gateway_up{gateway="in",name="Support",direction="I",device="ImapHost",gateway_id="in"}';
    expect(values.get(up)).toBe(1);
    const degraded = 'gatepost_gateway_degraded{direction="I",gateway_id="in",gateway="Support"}';
    expect(values.get(degraded)).toBe(1);
    port.platform.gateways = [gateway({})];
    expect((await scrape()).get(degraded)).toBe(0);
  });

  test('has the counters of a listed gateway from the first scrape on, at 0', async () => {
    const values = await scrape();
    expect(values.get('gatepost_arrivals_total{gateway="in",result="quarantined"}')).toBe(0);
    expect(values.get('gatepost_orders_total{gateway="out",result="unknown"}')).toBe(0);
    expect(values.get('gatepost_quarantined{gateway="in",name="Support",gateway_id="in"}')).toBe(0);
    expect(values.get('gatepost_ledger_mismatch{gateway="in",name="Support"}')).toBe(0);
  });

  test('shows session, gateways, windows and ages as they are at the scrape', async () => {
    const problem = 'no entry';
    port.platform.gateways = [
      gateway({ inFlight: 12, backingOff: 3, oldestMs: 83_500, state: 'failing', problem }),
      gateway({
        id: 'out',
        direction: 'O',
        displayName: 'Relay',
        device: 'SmtpHost',
        inFlight: 2,
        window: 5,
        oldestMs: 61_000,
      }),
    ];
    const values = await scrape();
    const expected = {
      gatepost_server_session_up: 1,
      'gatepost_gateway_up{gateway="in",name="Support",direction="I",device="ImapHost",gateway_id="in"}': 0,
      'gatepost_gateway_up{gateway="out",name="Relay",direction="O",device="SmtpHost",gateway_id="out"}': 1,
      'gatepost_window_used{gateway="in",name="Support",direction="I"}': 12,
      'gatepost_window_size{gateway="in",name="Support",direction="I"}': 64,
      'gatepost_parked{gateway="in",name="Support"}': 3,
      'gatepost_oldest_unacknowledged_seconds{gateway="in",name="Support"}': 83.5,
      'gatepost_orders_in_flight{gateway="out",name="Relay"}': 2,
      'gatepost_oldest_order_seconds{gateway="out",name="Relay"}': 61,
      gatepost_order_limit_seconds: 90,
    };
    for (const [series, value] of Object.entries(expected))
      expect([series, values.get(series)]).toEqual([series, value]);
    port.platform.server = { is: 'connecting' };
    port.platform.gateways = [];
    const after = await scrape();
    expect(after.get('gatepost_server_session_up')).toBe(0);
    expect([...after.keys()].filter((series) => series.startsWith('gatepost_gateway_up'))).toEqual([]);
  });

  test('shows the counts of the journal also for a gateway that the server no longer lists', async () => {
    port.platform.backlog = async () => [waiting, { ...waiting, gatewayId: 'gone', quarantined: 9 }];
    const values = await scrape();
    expect(values.get('gatepost_open_arrivals{gateway="in",name="Support"}')).toBe(1);
    expect(values.get('gatepost_unconfirmed{gateway="in",name="Support"}')).toBe(2);
    expect(values.get('gatepost_quarantined{gateway="in",name="Support",gateway_id="in"}')).toBe(3);
    expect(values.get('gatepost_quarantined{gateway="gone",name="",gateway_id="gone"}')).toBe(9);
  });

  test('shows a reconciliation that adds up as 0, and every day that does not, whatever its sign', async () => {
    port.platform.reconciliation = async () => [day];
    expect((await scrape()).get('gatepost_ledger_mismatch{gateway="in",name="Support"}')).toBe(0);
    port.platform.reconciliation = async () => [
      { ...day, delivered: 6 },
      { ...day, day: '2026-11-21', delivered: 8 },
    ];
    await port.clock.advance(60_000);
    expect((await scrape()).get('gatepost_ledger_mismatch{gateway="in",name="Support"}')).toBe(2);
  });

  test('reads the journal once for scrapes that come close together, from the start of yesterday', async () => {
    const since: number[] = [];
    let asked = 0;
    port.platform.backlog = async () => {
      asked += 1;
      return [];
    };
    port.platform.reconciliation = async (from) => {
      since.push(from);
      return [];
    };
    await Promise.all([scrape(), scrape(), scrape()]);
    expect([asked, since]).toEqual([1, [Date.UTC(2026, 10, 21)]]);
  });

  test('is answered when the journal fails: its gauges are left out, and the miss is counted', async () => {
    port.platform.backlog = () => Promise.reject(new Error('database is locked'));
    port.platform.reconciliation = async () => [day];
    const values = await scrape();
    expect([...values.keys()].filter((series) => /quarantined\{|unconfirmed|open_arrivals/.test(series))).toEqual([]);
    expect(values.get('gatepost_ledger_mismatch{gateway="in",name="Support"}')).toBe(0);
    expect(values.get('gatepost_journal_read_failures_total')).toBe(1);
    expect(values.get('gatepost_server_session_up')).toBe(1);
    port.platform.backlog = async () => [waiting];
    expect((await scrape()).get('gatepost_quarantined{gateway="in",name="Support",gateway_id="in"}')).toBe(3);
  });

  test('is answered within five seconds when the journal hangs', async () => {
    port.platform.backlog = () => new Promise(() => {});
    const page = scrape();
    await port.clock.waitForTimers(1);
    await port.clock.advance(5_000);
    expect((await page).get('gatepost_journal_read_failures_total')).toBe(1);
    expect(port.clock.armed).toBe(0);
  });

  test('keeps a bounded number of MSG codes, whatever the server sends', async () => {
    for (let n = 0; n < 500; n++) port.metrics.unhandledMessage(`SE_ODD_${n}`);
    for (const odd of ['', 'a"b\n', '\u0000', 'X'.repeat(5_000)]) port.metrics.unhandledMessage(odd);
    const codes = [...(await scrape())].filter(([series]) => series.startsWith('gatepost_ignored_msgs_total'));
    expect(codes).toHaveLength(51);
    expect(Object.fromEntries(codes)).toMatchObject({
      'gatepost_ignored_msgs_total{code="SE_ODD_0"}': 1,
      'gatepost_ignored_msgs_total{code="other"}': 454,
    });
  });

  test('survives display names that quote, break lines and escape', async () => {
    port.platform.gateways = [gateway({ displayName: 'A "B"\n\\C' })];
    expect((await scrape()).get('gatepost_parked{gateway="in",name="A \\"B\\"\\n\\\\C"}')).toBe(0);
  });

  test('shows the process and its event loop under our prefix', async () => {
    const series = [...(await scrape()).keys()];
    for (const name of [
      'process_resident_memory_bytes',
      'process_cpu_seconds_total',
      'nodejs_eventloop_lag_p99_seconds',
    ])
      expect(series).toContain(`gatepost_${name}`);
    expect(series.filter((name) => !name.startsWith('gatepost_'))).toEqual([]);
  });

  test('works before there is anything to look at, and two sets of meters do not meet', async () => {
    const [one, other] = [0, 1].map(() => createMetrics({ clock: manualClock(), log: silentLog }));
    one?.sessionFailed('in');
    expect(await one?.scrape()).toContain('gatepost_gateway_broken_total{gateway="in"} 1');
    expect(await other?.scrape()).not.toContain('gatepost_gateway_broken_total{');
  });
});

test('counts what strangers did at the port of the embedded server', async () => {
  const metrics = createMetrics({ clock: manualClock(), log: silentLog });
  let strangers = { refusedLogins: 3, cutConnections: 1 };
  metrics.watch({
    server: () => ({ is: 'up', since: 0 }) as never,
    gateways: () => [],
    strangers: () => strangers,
    journal: { backlog: async () => [], reconciliation: async () => [] },
  });
  expect(await metrics.scrape()).toContain('gatepost_embedded_server_refused_logins_total 3');
  strangers = { refusedLogins: 5, cutConnections: 1 };
  const page = await metrics.scrape();
  expect(page).toContain('gatepost_embedded_server_refused_logins_total 5');
  expect(page).toContain('gatepost_embedded_server_cut_connections_total 1');
});
