// The two promises under fire: a real process that is killed, links that break, a contact center with moods, a mail server
// and an SMSC that cut connections, and gateways whose settings change, all at the same time.
// `npm run chaos` runs it longer: CHAOS_MESSAGES (each way), CHAOS_KILLS, CHAOS_SEED.
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { openJournalReader } from '../../src/journal/open.js';
import type { MessageContentInfo } from '../../src/model/message.js';
import { folder, gatepost, gateway, IN, kill, OUT, remote } from '../e2e/connector.js';
import { waitFor } from '../fixtures/wait-for.js';
import { startFakeServer } from '../servers/fake-server.js';
import { freePort, type Running } from '../servers/process.js';
import { type Smsc, startSmsc } from '../servers/smsc.js';
import { type SmtpServer, startSmtp } from '../servers/smtp.js';
import { contactCenter } from './contact-center.js';
import { markOf, startCustomers } from './customers.js';
import { dice } from './random.js';

const MESSAGES = Number(process.env.CHAOS_MESSAGES ?? 120);
const KILLS = Number(process.env.CHAOS_KILLS ?? 4);
const SEED = Number(process.env.CHAOS_SEED ?? 20_261_128);
const TEXTS = '33333333-3333-4333-8333-333333333333';
/** Each wait of the calm phase, ms: a request is answered within 90 s, and a silent acknowledgement costs 60 s. */
const SETTLE_MS = 150_000;
/** What a stop may take on a busy machine, and how long a frozen process stands still, ms. */
const STOP_MS = 20_000;
const FREEZE_MS = 4_000;
const LONGEST_MS = 2 * SETTLE_MS + KILLS * 5_000 + MESSAGES * 300;

const closers: (() => Promise<void> | void)[] = [];
afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

const random = dice(SEED);
/** True once the faults are over: from then on everything must settle. */
let calm = false;

test(`${MESSAGES} messages each way with ${KILLS} kills (seed ${SEED})`, { timeout: LONGEST_MS }, async () => {
  calm = false;
  const smtp = await startSmtp();
  const smsc = await startSmsc({ systemId: 'gatepost', password: 'secret' });
  const server = await startFakeServer();
  const place = folder();
  closers.push(
    () => smtp.close(),
    () => smsc.close(),
    () => server.close(),
    () => place.remove(),
  );
  upset(smtp, smsc);
  const [listenerPort, httpPort] = [await freePort(), await freePort()];
  const gateways = (round: number) => [
    gateway(IN, 'I', 'SmtpListener', { Port: listenerPort }),
    { ...gateway(OUT, 'O', 'SmtpHost', settingsOf(smtp)), DisplayName: `Mail ${round}` },
    gateway(
      TEXTS,
      'O',
      'Smpp',
      { Host: '127.0.0.1', Port: smsc.port, SystemId: 'gatepost', Password: 'secret' },
      'SMS',
    ),
  ];
  server.gateways = gateways(0);
  const center = contactCenter(server, random, () =>
    calm ? { reject: 0, silent: 0 } : { reject: 0.08, silent: 0.01 },
  );
  closers.push(() => center.stop());

  const config = place.configure(
    `${remote(server.port, 'inbound: { retryFirstSeconds: 1, retryLongestSeconds: 3 }\n').replace('http: { port: 0 }', `http: { port: ${httpPort} }`)}`,
  );
  let connector = gatepost(['start', '--config', config]);
  closers.push(() => connector.stop());
  const customers = startCustomers(listenerPort, MESSAGES);
  closers.push(() => customers.stop());
  for (let n = 0; n < MESSAGES; n++)
    center.ask(
      n % 2 === 0
        ? { gatewayId: OUT, address: `customer${n}@example.net`, held: false }
        : { gatewayId: TEXTS, address: `+420602${String(100_000 + n)}`, held: true },
    );

  for (let round = 1; round <= KILLS; round++) {
    await pause(random.between(1_500, 4_000));
    if (random.chance(0.5)) server.drop();
    if (random.chance(0.5)) server.gateways = gateways(round);
    await pause(random.between(0, 400));
    connector = await hurt(connector, config, round);
  }

  calm = true;
  await waitFor('every mail of a customer to be accepted', () => customers.accepted.size === MESSAGES, SETTLE_MS).catch(
    (error) => {
      const missing = Array.from({ length: MESSAGES }, (_, n) => markOf(n)).filter(
        (mark) => !customers.accepted.has(mark),
      );
      throw new Error(`${error.message}: ${missing.slice(0, 5).join(', ')} (${missing.length} in all)`);
    },
  );
  await waitFor('every request to be settled', () => center.settled(), SETTLE_MS).catch((error) => {
    const open = center.cases().filter(({ done }) => !done);
    throw new Error(
      `${error.message}: ${JSON.stringify(open.slice(0, 5).map(({ id, answers }) => [id, answers.at(-1)]))} (${open.length} in all)`,
    );
  });
  await waitFor('every mail to be acknowledged', () => acknowledgedMarks(center).size === MESSAGES, SETTLE_MS);

  await waitFor('the last process to be ready', () => isReady(httpPort), SETTLE_MS);
  expect(center.violations).toEqual([]);
  expect(server.violations).toEqual([]);
  expect(inboundFaults(center)).toEqual([]);
  expect(await deadLinks(center)).toEqual([]);
  expect(outboundFaults(center, smtp, smsc)).toEqual([]);
  await expectTidy(join(place.path, 'data'), httpPort);
});

function settingsOf(smtp: SmtpServer) {
  return { Host: '127.0.0.1', Port: smtp.port, Security: 'None', From: 'support@example.com' };
}

/** Counterparties that defer, and that accept without being able to say so. */
function upset(smtp: SmtpServer, smsc: Smsc): void {
  smtp.script = ({ point }) => {
    if (calm) return undefined;
    if (point === 'RCPT' && random.chance(0.05)) return '450 4.2.1 try again later';
    if (point === 'dot' && random.chance(0.03)) return 'close';
    return undefined;
  };
  smsc.script = () =>
    calm ? undefined : random.chance(0.02) ? 'drop' : random.chance(0.03) ? { status: 0x14 } : undefined;
}

/** Kills are the rule; every third process is asked to stop, and every fourth stands still for a while before it is killed. */
async function hurt(connector: Running, config: string, round: number): Promise<Running> {
  if (round % 3 === 0) await stopInTime(connector);
  else {
    if (round % 4 === 0) await freeze(connector);
    await kill(connector);
  }
  return gatepost(['start', '--config', config]);
}

/** Container runtimes kill after 10 s. */
async function stopInTime(connector: Running): Promise<void> {
  process.kill(connector.pid, 'SIGTERM');
  await waitFor('the connector to end after SIGTERM', () => connector.ended.then(() => true), STOP_MS);
}

async function freeze(connector: Running): Promise<void> {
  process.kill(connector.pid, 'SIGSTOP');
  await pause(FREEZE_MS);
  process.kill(connector.pid, 'SIGCONT');
  await pause(random.between(0, 1_000));
}

type Center = ReturnType<typeof contactCenter>;

function acknowledgedMarks(center: Center): Set<string> {
  return new Set([...center.accepted].flatMap((id) => center.told.get(id)?.[0]?.SubjectField ?? []));
}

/** Lost mails, mails under two ids, and anything that changed between two attempts at one message. */
function inboundFaults(center: Center): string[] {
  const faults: string[] = [];
  const idsOf = new Map<string, Set<string>>();
  for (const [requestId, attempts] of center.told) {
    const [first, ...later] = attempts;
    const mark = first?.SubjectField ?? '';
    idsOf.set(mark, (idsOf.get(mark) ?? new Set()).add(requestId));
    for (const again of later) faults.push(...differences(mark, first, again));
  }
  for (let n = 0; n < MESSAGES; n++) {
    const ids = idsOf.get(markOf(n));
    if (!ids) faults.push(`${markOf(n)} was lost`);
    else if (ids.size > 1) faults.push(`${markOf(n)} came under ${ids.size} RequestIds`);
  }
  return faults;
}

function differences(mark: string, first: MessageContentInfo | undefined, again: MessageContentInfo): string[] {
  const members = Object.keys(again) as (keyof MessageContentInfo)[];
  return members
    .filter((member) => first?.[member] !== again[member])
    .map((member) => `${mark}: ${member} was "${first?.[member]}" and then "${again[member]}"`.slice(0, 300));
}

/** Links of accepted messages that lead nowhere. */
async function deadLinks(center: Center): Promise<string[]> {
  const dead: string[] = [];
  let links = 0;
  for (const id of center.accepted)
    for (const told of center.told.get(id) ?? [])
      for (const [url] of (told.BodyText ?? '').matchAll(/http:\/\/127\.0\.0\.1:\d+\/\S+/g)) {
        links += 1;
        const { status } = await fetch(url);
        if (status !== 200) dead.push(`${told.SubjectField}: ${status}`);
      }
  expect(links).toBeGreaterThanOrEqual(MESSAGES / 4);
  return dead;
}

function outboundFaults(center: Center, smtp: SmtpServer, smsc: Smsc): string[] {
  const faults: string[] = [];
  const mails = smtp.mails.map(({ raw }) => raw.toString('latin1'));
  const texts = smsc.texts().map(({ text }) => text);
  for (const one of center.cases()) {
    for (const words of one.answers)
      if (words !== null && /runs no outbound gateway|no outbound gateway/.test(words))
        faults.push(`${one.id}: ${words}`);
    const sent = (one.gatewayId === OUT ? mails : texts).filter((content) => content.includes(one.id)).length;
    if (one.answers.includes(null) && sent === 0) faults.push(`${one.id} was answered "sent" but never arrived`);
    if (one.gatewayId === TEXTS && sent > 1) faults.push(`the text ${one.id} arrived ${sent} times`);
    const last = one.answers.at(-1) ?? null;
    if (last !== null && sent > 0 && !/delivery uncertain/.test(last))
      faults.push(`${one.id} arrived, and the last answer was "${last}"`);
  }
  return faults;
}

/** Nothing is left behind: no unconfirmed message, and the sums of the journal add up. */
async function expectTidy(dataDir: string, httpPort: number): Promise<void> {
  const journal = await openJournalReader(`sqlite:${join(dataDir, 'journal.db')}`);
  try {
    await waitFor('no message to be left unconfirmed', async () =>
      (await journal.backlog()).every(({ unconfirmed, pending }) => unconfirmed === 0 && pending === 0),
    );
    for (const { received, delivered, waiting, quarantined } of await journal.reconciliation(0))
      expect(received).toBe(delivered + waiting + quarantined);
  } finally {
    await journal.close();
  }
  expect(await isReady(httpPort)).toBe(true);
}

async function isReady(httpPort: number): Promise<boolean> {
  const reply = await fetch(`http://127.0.0.1:${httpPort}/ready`).catch(() => null);
  return reply?.status === 200;
}
