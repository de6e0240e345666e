// The whole connector against a scriptable server, with a driver played by the test and a clock turned by hand.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Service, startService } from '../../src/app.js';
import { loadConfig } from '../../src/config.js';
import { createLog } from '../../src/kit/log.js';
import { redactor } from '../../src/kit/redact.js';
import type { GatewayInfo, MessageContentInfo } from '../../src/simprot/messages.js';
import { type ManualClock, manualClock } from '../kit/manual-clock.js';
import { type Hub, startHub } from '../servers/hub.js';
import { type StandIn, standIn } from './stand-in.js';

export const IN = '11111111-1111-4111-8111-111111111111';
export const OUT = '22222222-2222-4222-8222-222222222222';

export interface Bed {
  hub: Hub;
  clock: ManualClock;
  inbound: StandIn;
  outbound: StandIn;
  service: Service;
  folder: string;
  /** Log lines, JSON. */
  lines: string[];
  /** Ends the service and starts another one on the same data. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export function gateway(id: string, direction: 'I' | 'O', device: string, name = `${direction} gateway`): GatewayInfo {
  return {
    Id: id,
    DisplayName: name,
    PeerAddress: '@gatepost',
    Channel: 'Email',
    Direction: direction,
    Device: device,
  };
}

export const usual = (): GatewayInfo[] => [
  gateway(IN, 'I', 'TestIn { "Name": "a" }'),
  gateway(OUT, 'O', 'TestOut { "Name": "b" }'),
];

export async function startBed(
  options: { gateways?: GatewayInfo[]; extra?: string; env?: Record<string, string> } = {},
): Promise<Bed> {
  const folder = mkdtempSync(join(tmpdir(), 'gatepost-flow-'));
  // Keep-alive has tests of its own; here the clock is turned by minutes while real sockets need a moment.
  const hub = await startHub({ gateways: options.gateways ?? usual(), keepAlive: 100_000 });
  const clock = manualClock();
  const inbound = standIn();
  const outbound = standIn();
  const lines: string[] = [];
  const file = join(folder, 'gatepost.yaml');
  writeFileSync(
    file,
    `server: { mode: remote, host: 127.0.0.1, port: ${hub.port}, password: server-password }\ndataDir: data\nhttp: { port: 0 }\n${options.extra ?? ''}`,
  );
  const start = () => {
    const secrets = redactor();
    return startService(loadConfig(file, {}), {
      clock,
      random: () => 0.5,
      redactor: secrets,
      log: createLog({ level: 'debug', redactor: secrets, pretty: false, write: (line) => void lines.push(line) }),
      env: options.env ?? {},
      drivers: { testin: async () => inbound.driver, testout: async () => outbound.driver },
    });
  };
  const bed: Bed = {
    hub,
    clock,
    inbound,
    outbound,
    folder,
    lines,
    service: await start(),
    async restart() {
      await stopping(bed.service, clock);
      bed.service = await start();
      await ready(bed);
    },
    async close() {
      await stopping(bed.service, clock);
      await hub.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await ready(bed);
  return bed;
}

/** Stopping gives what is under way its grace, on the clock that only we turn. */
async function stopping(service: Service, clock: ManualClock): Promise<void> {
  let ended = false;
  const end = service.stop().finally(() => {
    ended = true;
  });
  while (!ended) await clock.advance(1_000);
  await end;
}

async function ready(bed: Bed): Promise<void> {
  await fact(() => bed.service.listed() && bed.service.views().every((view) => view.state !== 'starting'));
}

/** Waits for a fact; the test's own time limit is the bound. */
export async function fact(is: () => boolean): Promise<void> {
  while (!is()) await new Promise((resolve) => setImmediate(resolve));
}

export function order(id: string, more: Partial<MessageContentInfo> = {}): Partial<MessageContentInfo> {
  return {
    MessageId: id,
    GatewayId: OUT,
    DeliverySystemId: `${id}@frontstage.example`,
    RemoteAddress: 'ann@example.com',
    Direction: 'O',
    ReceivedSentTime: '2026-11-22T10:00:00.000Z',
    SubjectField: 'Re: question',
    BodyText: 'the answer',
    ...more,
  };
}
