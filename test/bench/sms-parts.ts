// The parts of the table for text messages: their sides, figures and goals.
import type { BenchFixture } from './bench-fixture.js';
import { interleaved, type Pair, type Part, type PartOptions, ROUND_TRIP_MS, ratios } from './rounds.js';
import { delivers, submits, type TextsJob, type TextsSample } from './sms.js';
import { WINDOW } from './sms-fixture.js';
import { type Figure, plainRow, type Row } from './table.js';
import { QUARTERS, type WaitingSample, waitingParts } from './waiting-parts.js';

export const SMS_PARTS: readonly Part[] = [
  { name: 'submits', count: () => 10_000, measure: submitting },
  { name: 'delivers', count: () => 10_000, measure: delivering },
  { name: 'waiting-parts', count: () => 100_000, measure: waiting },
];

/** MB. Held in memory, the second half of the parts would add three times as much and more. */
const FLAT = { atMost: 5 };

function submitting(fixture: BenchFixture, options: PartOptions): Promise<Row[]> {
  return texts('submit_sm', (job) => submits(fixture, job), options);
}

function delivering(fixture: BenchFixture, options: PartOptions): Promise<Row[]> {
  return texts('deliver_sm', (job) => delivers(fixture, job), options);
}

/** The bare library, then we, each time; the driver first, then the whole line, near and far. */
async function texts(command: string, run: (job: TextsJob) => Promise<TextsSample>, options: PartOptions) {
  const { count } = options;
  const round = (side: TextsJob['side'], roundTripMs = 0) =>
    interleaved(`${command} by ${side}${roundTripMs ? ', far' : ''}`, options, {
      yardstick: () => run({ side: 'bare', count, roundTripMs }),
      ours: () => run({ side, count, roundTripMs }),
    });
  const speed = (pairs: readonly Pair<TextsSample>[], work: string) =>
    ratios(pairs, { work, unit: 'msg/s', goal: { atLeast: 0.7 }, digits: 0 }, ({ ms }) => (count * 1000) / ms);
  const driver = await round('driver');
  const near = await round('gatepost');
  const far = await round('gatepost', ROUND_TRIP_MS);
  return [
    speed(driver, `${count} ${command}, window ${WINDOW}: the driver (yardstick: npm smpp)`),
    speed(near, '  the whole line'),
    plainRow(
      { work: '  its CPU per text', unit: 'ms', goal: null, digits: 2 },
      near.map(({ ours }) => ours && ours.cpuMs / count),
    ),
    speed(far, `  the whole line, SMSC ${ROUND_TRIP_MS} ms away`),
  ];
}

async function waiting(fixture: BenchFixture, { count, rounds, progress }: PartOptions): Promise<Row[]> {
  const samples: (WaitingSample | undefined)[] = [];
  for (let round = 1; round <= rounds; round++)
    samples.push(await progress.step(`waiting-parts, round ${round} of ${rounds}`, () => waitingParts(fixture, count)));
  const row = (work: string, unit: string, goal: Figure['goal'] | null, of: (sample: WaitingSample) => number) =>
    plainRow(
      { work, unit, goal, digits: unit === 'MB' && goal ? 1 : 0 },
      samples.map((sample) => sample && of(sample)),
    );
  const held = ({ memory }: WaitingSample, quarter: number) => memory[quarter]?.heldMb ?? Number.NaN;
  const resident = ({ memory }: WaitingSample, quarter: number) => memory[quarter]?.residentMb ?? Number.NaN;
  const marks = Array.from({ length: QUARTERS + 1 }, (_, quarter) => quarter);
  const partsAt = (quarter: number) => Math.floor((count * quarter) / QUARTERS);
  return [
    row(
      `${count} waiting parts: memory that the second half of them added`,
      'MB',
      FLAT,
      (sample) => held(sample, QUARTERS) - held(sample, QUARTERS / 2),
    ),
    ...marks.map((quarter) =>
      row(`  resident with ${partsAt(quarter)}`, 'MB', null, (sample) => resident(sample, quarter)),
    ),
    row('  peak memory', 'MB', null, ({ peakMb }) => peakMb),
    row('  taken', 'parts/s', null, ({ ms }) => (count * 1000) / ms),
  ];
}
