// One front desk per test on a free port, a temp folder and a clock turned by hand; everything is taken down again.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { type FrontDesk, type FrontDeskOptions, startFrontDesk } from '../../src/frontdesk/server.js';
import { openStore, type Store } from '../../src/frontdesk/store.js';
import type { Log } from '../../src/kit/log.js';
import { type ManualClock, manualClock } from '../kit/manual-clock.js';
import { type RawClient, rawClient } from './raw-client.js';

export const IN = '11111111-1111-4111-8111-111111111111';
export const OUT = '22222222-2222-4222-8222-222222222222';
export const OTHER_IN = '33333333-3333-4333-8333-333333333333';
export const OTHER_OUT = '44444444-4444-4444-8444-444444444444';

export const GATEWAYS = `
- { id: ${IN}, displayName: Info, channel: Email, direction: I, device: 'ImapHost { "Host": "mail.example.com" }' }
- { id: ${OUT}, displayName: Info, channel: Email, direction: O, device: 'SmtpHost { "Host": "mail.example.com" }' }
- { id: ${OTHER_IN}, displayName: Other, channel: Email, direction: I, device: DropFolder, peerAddress: "@other" }
- { id: ${OTHER_OUT}, displayName: Other, channel: SMS, direction: O, device: DropFolder, peerAddress: "@other" }
`;

export interface LogLine {
  level: string;
  message: string;
}

export interface Bed {
  desk: FrontDesk;
  clock: ManualClock;
  folder: string;
  gatewaysFile: string;
  storePath: string;
  lines: LogLine[];
  /** A second handle on the store, as another process has one. */
  store: Store;
  options: FrontDeskOptions;
  client(changes?: object): Promise<RawClient>;
}

const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

export function later(step: () => Promise<void> | void): void {
  undo.push(step);
}

export async function tempFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gatepost-frontdesk-'));
  later(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function bed(changes: Partial<FrontDeskOptions> = {}, gateways = GATEWAYS): Promise<Bed> {
  const folder = await tempFolder();
  const gatewaysFile = join(folder, 'gateways.yaml');
  await writeFile(gatewaysFile, gateways);
  const storePath = join(folder, 'data', 'frontdesk.db');
  const clock = manualClock();
  const lines: LogLine[] = [];
  const options: FrontDeskOptions = {
    host: '127.0.0.1',
    port: 0,
    account: 'gatepost',
    password: 'right',
    gatewaysFile,
    storePath,
    clock,
    log: recorder(lines),
    ...changes,
  };
  const desk = await startFrontDesk(options);
  later(() => desk.close());
  // Both loops (the gateways file, the orders) have made their first round and wait.
  await clock.untilArmed(2);
  const store = openStore(storePath, { create: false });
  later(() => store.close());
  const client = async (login: object = {}) => {
    const connector = await rawClient(desk.port);
    later(() => connector.close());
    connector.send('ES_LOGIN', {
      Account: 'gatepost',
      Password: 'right',
      PeerAddress: ['@gatepost'],
      Instance: 'host-1',
      ...login,
    });
    await connector.until('SE_LOGIN');
    return connector;
  };
  return { desk, clock, folder, gatewaysFile, storePath, lines, store, options, client };
}

export function recorder(lines: LogLine[]): Log {
  const at = (level: string) => (_fields: object, message: string) => void lines.push({ level, message });
  const log: Log = {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => log,
  };
  return log;
}

/** A message as a connector hands it over. */
export function mail(changes: object = {}): Record<string, unknown> {
  return {
    DeliverySystemId: 'abc@example.com',
    RequestId: 'aaaaaaaa-0000-4000-8000-000000000001',
    GatewayId: IN,
    FromField: 'Eva <eva@example.com>',
    RemoteAddress: 'eva@example.com',
    ReceivedSentTime: '2026-11-22T09:59:00.000Z',
    SubjectField: 'Hello',
    BodyText: 'Where is my parcel?',
    Direction: 'I',
    ...changes,
  };
}
