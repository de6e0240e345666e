// The parts of the table: their sides, figures and goals. sms-parts.ts has those of text messages.

import type { BenchFixture } from './bench-fixture.js';
import { type DrainJob, type DrainSample, drain } from './drain.js';
import { measureNewMail, type NewMailSample } from './new-mail.js';
import { interleaved, type Pair, type Part, type PartOptions, ROUND_TRIP_MS, ratios } from './rounds.js';
import { CONNECTIONS, sendRequests, whyNoSink } from './send-requests.js';
import { SMS_PARTS } from './sms-parts.js';
import { type Figure, plainRow, quantile, type Row } from './table.js';

export const PARTS: readonly Part[] = [
  { name: 'drain', count: () => 3_000, measure: textDrain },
  { name: 'mixed', count: (full) => (full ? 2_000 : 500), measure: mixedDrain },
  { name: 'distance', count: () => 3_000, measure: distance },
  { name: 'arrivals', count: () => 200, measure: newMail },
  { name: 'orders', count: () => 2_000, measure: sending },
  ...SMS_PARTS,
];

function drains(
  fixture: BenchFixture,
  options: PartOptions,
  name: string,
  corpus: DrainJob['corpus'],
): Promise<Pair<DrainSample>[]> {
  const job = { corpus, count: options.count };
  return interleaved(name, options, {
    yardstick: () => drain(fixture, { ...job, side: 'naive' }),
    ours: () => drain(fixture, { ...job, side: 'gatepost' }),
  });
}

async function textDrain(fixture: BenchFixture, options: PartOptions): Promise<Row[]> {
  const pairs = await drains(fixture, options, 'drain', 'text');
  const { count } = options;
  const work = `drain of ${count} text mails`;
  const perMail = (ms: number) => ms / count;
  return [
    ratios(pairs, { work, unit: 'msg/s', goal: { atLeast: 2 }, digits: 0 }, ({ ms }) => (count * 1000) / ms),
    ratios(pairs, { work: '  CPU per mail', unit: 'ms', goal: { atMost: 0.7 }, digits: 2 }, ({ cpuMs }) =>
      perMail(cpuMs),
    ),
    ratios(
      pairs,
      { work: '  Dovecot CPU per mail', unit: 'ms', goal: { atMost: 0.2 }, digits: 3 },
      ({ dovecotCpuMs }) => perMail(dovecotCpuMs),
    ),
  ];
}

async function mixedDrain(fixture: BenchFixture, options: PartOptions): Promise<Row[]> {
  const pairs = await drains(fixture, options, 'mixed', 'mixed');
  const work = `drain of ${options.count} mails of mixed sizes`;
  const memory: Figure = { work: '  peak memory', unit: 'MB', goal: { atMost: 300 }, digits: 0 };
  return [
    ratios(pairs, { work, unit: 'MB/s', goal: { atLeast: 1.6 }, digits: 1 }, ({ bytes, ms }) => bytes / 1000 / ms),
    plainRow(
      memory,
      pairs.map(({ ours }) => ours?.peakMb),
    ),
  ];
}

async function distance(fixture: BenchFixture, options: PartOptions): Promise<Row[]> {
  const job = { corpus: 'text', side: 'gatepost', count: options.count } as const;
  const pairs = await interleaved('distance', options, {
    yardstick: () => drain(fixture, job),
    ours: () => drain(fixture, { ...job, roundTripMs: ROUND_TRIP_MS }),
  });
  const work = `drain of ${options.count} text mails, ${ROUND_TRIP_MS} ms away (yardstick: ours, near)`;
  const figure: Figure = { work, unit: 'msg/s', goal: { atLeast: 0.5 }, digits: 0 };
  return [ratios(pairs, figure, ({ ms }) => (options.count * 1000) / ms)];
}

async function newMail(fixture: BenchFixture, { count, rounds, progress }: PartOptions): Promise<Row[]> {
  const samples: (NewMailSample | undefined)[] = [];
  for (let round = 1; round <= rounds; round++)
    samples.push(await progress.step(`arrivals, round ${round} of ${rounds}`, () => measureNewMail(fixture, count)));
  const seconds = (of: 'fromTaken' | 'fromStart', share: number) =>
    samples.map((sample) => {
      const ms = quantile(sample?.[of] ?? [], share);
      return ms === undefined ? undefined : ms / 1000;
    });
  const figure = { unit: 's', digits: 3 };
  const goal = { atMost: 0.6 };
  return [
    plainRow({ ...figure, work: `${count} new mails, LMTP's 250 to the MSG: p95`, goal }, seconds('fromTaken', 0.95)),
    plainRow({ ...figure, work: '  p50', goal: null }, seconds('fromTaken', 0.5)),
    plainRow({ ...figure, work: '  p95 from the start of LMTP', goal: null }, seconds('fromStart', 0.95)),
  ];
}

async function sending(fixture: BenchFixture, options: PartOptions): Promise<Row[]> {
  const missing = whyNoSink();
  const { count } = options;
  const side = (name: 'gatepost' | 'pool') => () =>
    missing ? Promise.reject(new Error(missing)) : sendRequests(fixture, name, count);
  const pairs = await interleaved('orders', options, { yardstick: side('pool'), ours: side('gatepost') });
  const work = `${count} send requests of 4 KB, ${CONNECTIONS} connections`;
  return [ratios(pairs, { work, unit: 'msg/s', goal: { atLeast: 0.7 }, digits: 0 }, ({ ms }) => (count * 1000) / ms)];
}
