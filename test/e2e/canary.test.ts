// A canary in every secret setting of every driver, counterparties that repeat what they are told, and no canary anywhere that
// somebody other than a counterparty reads.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drivers } from '../../gateways/index.js';
import { loadConfig } from '../../src/config.js';
import { systemClock, systemRandom } from '../../src/kit/clock.js';
import { createLog } from '../../src/kit/create-log.js';
import { redactor } from '../../src/kit/redact.js';
import { closeSqlite, openSqlite } from '../../src/kit/sqlite.js';
import { type Service, startService } from '../../src/service.js';
import { type Canaries, everySecret, plantCanaries } from '../fixtures/canaries.js';
import { waitFor } from '../fixtures/wait-for.js';
import { type EchoingCounterparty, spellings, startEchoingCounterparty } from '../servers/echoing-counterparty.js';
import { type FakeServer, startFakeServer } from '../servers/fake-server.js';
import { freePort } from '../servers/process.js';
import { smtpClient } from '../servers/smtp-client.js';
import { command } from './connector.js';

let folder: string;
let echoing: EchoingCounterparty;
let canaries: Canaries;
let server: FakeServer;
let service: Service;
let file: string;
const lines: string[] = [];
const MESSAGE = (at: number) => `90000000-0000-4000-8000-${String(at).padStart(12, '0')}`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatepost-canary-'));
  echoing = await startEchoingCounterparty();
  const listenerPort = await freePort();
  canaries = await plantCanaries(echoing, listenerPort, folder);
  server = await startFakeServer({ gateways: canaries.gateways.map(({ info }) => info) });
  file = join(folder, 'gatepost.yaml');
  mkdirSync(join(folder, 'secrets'), { mode: 0o700 });
  writeFileSync(
    file,
    `server: { mode: remote, host: 127.0.0.1, port: ${server.port}, password: 'Kanari-server+/&="<' }\ndataDir: data\nsecretsDir: secrets\nhttp: { port: 0 }\npolicy: { hosts: [private] }\noutbound: { answerSeconds: 20 }\n`,
  );
  service = await start();
  await waitFor('every gateway to have tried', () => tried(), 150_000);
  for (const [at, { info }] of canaries.gateways.entries()) if (info.Direction === 'O') ask(at, info.Id);
  await knock(listenerPort);
  const sends = canaries.gateways.filter(({ info }) => info.Direction === 'O').length;
  await server.waitForFrames('ES_MESSAGE_SENT', sends);
}, 300_000);
afterAll(async () => {
  await service?.stop();
  await server?.close();
  await echoing?.close();
  rmSync(folder, { recursive: true, force: true });
});

function start(): Promise<Service> {
  const known = redactor();
  return startService(loadConfig(file, {}), {
    clock: systemClock,
    random: systemRandom,
    redactor: known,
    log: createLog({ level: 'trace', redactor: known, pretty: false, write: (line) => void lines.push(line) }),
    env: canaries.env,
    drivers,
  });
}

function tried(): boolean {
  const views = service.views();
  return views.length === canaries.gateways.length && views.every(({ state }) => state !== 'starting');
}

function ask(at: number, GatewayId: string): void {
  server.sendRequest({
    MessageId: MESSAGE(at),
    GatewayId,
    DeliverySystemId: `${MESSAGE(at)}@frontstage.example`,
    RemoteAddress: canaries.gateways[at]?.info.Channel === 'Email' ? 'ann@example.com' : '+420777123456',
    Direction: 'O',
    ReceivedSentTime: '2026-11-22T10:00:00.000Z',
    SubjectField: 'Re: question',
    BodyText: 'the answer',
  });
}

/** Clients of the ports that show the right secret at the wrong place. */
async function knock(listenerPort: number): Promise<void> {
  const secretOf = (device: string) => {
    const gateway = canaries.gateways.find(({ info }) => info.Device.startsWith(device) && info.Direction === 'I');
    const name = /\$\{env:(\w+)\}/.exec(gateway?.info.Device ?? '')?.[1] ?? '';
    return { id: gateway?.info.Id ?? '', value: canaries.env[name] ?? '' };
  };
  const { value } = secretOf('SmtpListener');
  const client = await smtpClient(listenerPort);
  for (const line of ['EHLO client.test', value, `AUTH PLAIN ${Buffer.from(`\0${value}\0wrong`).toString('base64')}`])
    await client.command(line);
  client.cut();
  const { id, value: secret } = secretOf('HttpSms');
  const webhook = `${service.http.url}/webhooks/${id}`;
  // Both are answered to the very client that wrote the secret: what counts is what is left of it here.
  await fetch(`${webhook}?key=${encodeURIComponent(secret)}`, {
    method: 'POST',
    body: secret,
    headers: { 'x-key': 'wrong' },
  });
  await fetch(`${webhook}/${encodeURIComponent(secret)}`, { method: 'POST', body: '{', headers: { 'x-key': secret } });
}

const PLACES = () => [...canaries.values, 'Kanari-server+/&="<'];

/** Half of a canary, in every spelling: what was cut off in its second half tells too much as well. */
function needles(): string[] {
  const halves = PLACES().flatMap((value) => [value.slice(0, Math.ceil(value.length * 0.7))]);
  // What surrounds the canary changes the last characters of base64, and the user of the spellings is another one here.
  return halves.flatMap((half) => spellings(half).map((text, at) => cores[at]?.(text) ?? text));
}
const cores: ((text: string) => string)[] = [
  (text) => text,
  (text) => text.replace(/=+$/, '').slice(0, -2),
  (text) => text.replace(/=+$/, '').slice(8, -2),
  (text) => text.slice(9, -2),
  (text) => text,
  (text) => text.slice(2),
  (text) => text,
  (text) => text,
  (text) => text.slice(1, -1),
  (text) => text.slice(3, -3),
];

function expectNone(where: string, text: string): void {
  const shown = needles().flatMap((needle) => {
    const at = text.indexOf(needle);
    return at < 0 ? [] : [`${where} shows ${needle}: ${text.slice(Math.max(0, at - 200), at + needle.length + 60)}`];
  });
  expect.soft(shown).toEqual([]);
}

describe('a canary in every secret setting of every driver', () => {
  it('stands in every secret setting that the schemas have', async () => {
    const covered = canaries.gateways.flatMap(({ covers }) => covers);
    expect([...new Set(covered)].sort()).toEqual([...new Set(await everySecret())].sort());
  });

  it('was told to the counterparties, and came back', () => {
    const repeatedText = echoing.repeated.join('\n');
    // A listener is told its own secret, keys only sign, and the SMSC repeats nothing.
    const silent = canaries.gateways.filter(({ info, covers }) =>
      /^(?:Smpp|SmtpListener|HttpSms \{"ReceiveFrom|FaxMail.*PASSWORD)|Certificate|ServiceAccount/.test(
        `${info.Device} ${covers}`,
      ),
    );
    const names = new Set(
      silent.flatMap(({ info }) => [...info.Device.matchAll(/env:(\w+)/g)].map(([, name]) => name)),
    );
    const missing = Object.entries(canaries.env).filter(
      ([name, value]) => !names.has(name) && !repeatedText.includes(value.trim()),
    );
    expect(missing).toEqual([]);
  });

  it('is in no line of the log', () => {
    expect(lines.length).toBeGreaterThan(canaries.gateways.length);
    for (const line of lines) expectNone('log', line);
  });

  it('is in no answer of the probes and metrics', async () => {
    for (const path of ['/live', '/ready', '/status', '/metrics', '/']) {
      for (const accept of ['application/json', 'text/plain', 'text/html'])
        expectNone(path, await (await fetch(service.adminUrl + path, { headers: { accept } })).text());
      expectNone(path, await (await fetch(service.http.url + path)).text());
    }
  });

  it('is in nothing that the contact-center server is told', () => {
    for (const frame of server.frames)
      if (frame.code !== 'ES_LOGIN') expectNone(frame.code, JSON.stringify(frame.content));
  });

  it('is in no row of the journal and in no file of dataDir', () => {
    const dataDir = join(folder, 'data');
    const journal = openSqlite(join(dataDir, 'journal.db'), {
      what: 'the journal',
      area: 'test',
      readOnly: true,
      check: false,
    });
    const tables = journal
      .prepare("select name from sqlite_master where type = 'table'")
      .all()
      .map(({ name }) => String(name));
    expect(tables.length).toBeGreaterThan(5);
    for (const table of tables) {
      for (const row of journal.prepare(`select * from "${table}"`).all()) {
        const text = Object.values(row).map((value) =>
          value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value),
        );
        expectNone(`table ${table}`, text.join('\n'));
      }
    }
    closeSqlite(journal);
    for (const name of readdirSync(dataDir, { recursive: true, encoding: 'utf8' })) {
      if (statSync(join(dataDir, name)).isFile()) expectNone(name, readFileSync(join(dataDir, name), 'latin1'));
      expectNone('name of a file', name);
    }
  });

  it('is in no output of a command', async () => {
    const gateways = join(folder, 'gateways.yaml');
    const device = ({ info }: (typeof canaries.gateways)[number]) => JSON.stringify(info.Device);
    writeFileSync(
      gateways,
      canaries.gateways
        .map(
          (one) =>
            `- id: ${one.info.Id}\n  displayName: ${JSON.stringify(one.info.DisplayName)}\n  channel: ${one.info.Channel}\n  direction: ${one.info.Direction}\n  device: ${device(one)}\n`,
        )
        .join(''),
    );
    const embedded = join(folder, 'embedded.yaml');
    writeFileSync(
      embedded,
      `server: { mode: embedded, port: 0 }\npolicy: { apply: always, hosts: [private] }\ndataDir: data\nsecretsDir: secrets\nfrontdesk: { gateways: gateways.yaml }\n`,
    );
    const common = { cwd: folder, env: canaries.env };
    const runs = [
      ['check', gateways, '--config', file],
      ['log', '--config', file],
      ['log', '--format', 'json', '--config', file],
      ['trace', MESSAGE(5), '--config', file],
      ['secrets', 'list', '--config', file],
      ['quarantine', 'list', '--config', file],
      ...['ImapHost Password', 'SmtpHost OAuth2.ClientSecret', 'HylaFax AdminPassword', 'TelnyxFax ApiKey'].map(
        (name) => ['test', name, '--config', embedded],
      ),
      [
        'oauth',
        canaries.gateways.find(({ info }) => info.Device.includes('RefreshToken'))?.info.Id ?? '',
        '--config',
        embedded,
      ],
    ];
    for (const args of runs) {
      const { output } = await command(args, common);
      expect(output.length, args.join(' ')).toBeGreaterThan(10);
      expectNone(args.join(' '), output);
    }
  }, 240_000);
});
