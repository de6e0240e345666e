// The whole connector with a text gateway played by the test: both directions under one Id, pushes over the real HTTP port.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { type Service, startService } from '../../src/app.js';
import { loadConfig } from '../../src/config.js';
import type {
  AnyDriver,
  Attempt,
  DeliveryNews,
  Driver,
  GatewayContext,
  OutboundText,
  Outcome,
  RawRequest,
  TextMessage,
  WebhookResult,
} from '../../src/driver/contract.js';
import { setting, settingsSchema, z } from '../../src/driver/settings.js';
import { type TextSettings, textRulesOf, textSettings } from '../../src/driver/text-settings.js';
import { type JournalReader, openJournalReader } from '../../src/journal/reader.js';
import { createLog } from '../../src/kit/log.js';
import { redactor } from '../../src/kit/redact.js';
import type { GatewayInfo } from '../../src/simprot/messages.js';
import { type ManualClock, manualClock } from '../kit/manual-clock.js';
import { type Hub, startHub } from '../servers/hub.js';
import { fact } from './bed.js';

export const SMS = '33333333-3333-4333-8333-333333333333';
/** The customer, as orders and as carriers write the number. */
export const ANN = '+420777123456';

const settings = settingsSchema({
  Name: setting(z.string().optional(), { description: 'Whatever a test likes.', example: 'x' }),
  ...textSettings,
});

export interface TextStandIn {
  readonly driver: AnyDriver;
  readonly sends: { message: OutboundText; attempt: Attempt }[];
  onSend: (message: OutboundText) => Promise<Outcome>;
  /** What a push is taken for; a JSON of TextMessage members or of news unless replaced. */
  onPush: (request: RawRequest) => Promise<WebhookResult>;
  /** What the sending side reports by itself. */
  report(news: DeliveryNews[]): Promise<void>;
  webhookUrl: string | null;
}

export function textStandIn(clock: ManualClock): TextStandIn {
  let outbound: GatewayContext<TextSettings> | undefined;
  const me = {
    sends: [] as TextStandIn['sends'],
    webhookUrl: null as string | null,
    onSend: async ({ reference }: OutboundText): Promise<Outcome> => ({
      kind: 'sent',
      deliverySystemId: `id ${reference}`,
    }),
    onPush: async ({ body }: RawRequest): Promise<WebhookResult> => {
      const { news, ...text }: Partial<TextMessage> & { news?: DeliveryNews[] } = JSON.parse(body.toString());
      const reply = { status: 200, body: 'thank you' };
      return news ? { reply, news } : { reply, arrivals: [pushed(text, clock)] };
    },
    report: (news: DeliveryNews[]) => outbound?.report(news) ?? Promise.reject(new Error('not opened')),
  };
  const driver: Driver<TextSettings, object, TextMessage, OutboundText> = {
    device: 'TestText',
    channel: 'SMS',
    summary: 'For tests.',
    settings,
    async open(context) {
      me.webhookUrl = context.webhookUrl;
      if (context.gateway.direction === 'O') outbound = context;
      return {};
    },
    close: async () => {},
    async *check() {
      yield { name: 'nothing', ok: true, detail: 'always well' };
    },
    async *receive(_session, signal) {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    },
    async send(_session, message, attempt) {
      me.sends.push({ message, attempt });
      return me.onSend(message);
    },
    webhook: (_session, request) => me.onPush(request),
    textRules: (given) => textRulesOf(given, '12345'),
  };
  return Object.assign(me, { driver: driver as AnyDriver });
}

function pushed(text: Partial<TextMessage>, clock: ManualClock) {
  const rest = { receivedAt: clock.now(), sentAt: null, media: [], notes: [] };
  const content: TextMessage = { kind: 'text', from: ANN, to: '12345', text: '', providerId: null, ...rest, ...text };
  return { key: `id ${content.providerId}`, fingerprint: '', content };
}

export interface SmsBed {
  hub: Hub;
  clock: ManualClock;
  texts: TextStandIn;
  service: Service;
  lines: string[];
  push(body: object): Promise<Response>;
  order(id: string, text: string, to?: string): void;
  journal<T>(ask: (reader: JournalReader) => Promise<T>): Promise<T>;
  /** Runs SQL on the journal beside the connector, to make it fail and to mend it. */
  tamper(sql: string): void;
  restart(): Promise<void>;
  close(): Promise<void>;
}

export const gateways = (device = 'TestText { "Region": "CZ" }'): GatewayInfo[] =>
  (['I', 'O'] as const).map((Direction) => ({
    Id: SMS,
    DisplayName: 'Texts',
    PeerAddress: '@gatepost',
    Channel: 'SMS',
    Direction,
    Device: device,
  }));

/** `own`: further drivers by device word in lower case, for a device string that names one of them; `list`: other gateways. */
export async function startSmsBed(
  device?: string,
  own: Record<string, AnyDriver> = {},
  list: GatewayInfo[] = gateways(device),
): Promise<SmsBed> {
  const folder = mkdtempSync(join(tmpdir(), 'gatepost-sms-'));
  const hub = await startHub({ gateways: list, keepAlive: 100_000 });
  const clock = manualClock();
  const texts = textStandIn(clock);
  const lines: string[] = [];
  const file = join(folder, 'gatepost.yaml');
  const server = `server: { mode: remote, host: 127.0.0.1, port: ${hub.port}, password: server-password }`;
  writeFileSync(file, `${server}\ndataDir: data\nhttp: { port: 0 }\nfax: { chromium: off, ocr: false }\n`);
  const config = loadConfig(file, {});
  const start = async () => {
    const secrets = redactor();
    const log = createLog({ level: 'debug', redactor: secrets, pretty: false, write: (line) => void lines.push(line) });
    const table = Object.entries({ testtext: texts.driver, ...own });
    const drivers = Object.fromEntries(table.map(([word, driver]) => [word, async () => driver]));
    const service = await startService(config, { clock, random: () => 0.5, redactor: secrets, log, env: {}, drivers });
    await fact(
      () =>
        service.listed() &&
        service.views().length === list.length &&
        service.views().every(({ state }) => state === 'running'),
    );
    return service;
  };
  const bed: SmsBed = {
    hub,
    clock,
    texts,
    lines,
    service: await start(),
    push: (body) => fetch(`${bed.service.http.url}/webhooks/${SMS}`, { method: 'POST', body: JSON.stringify(body) }),
    order: (id, text, to = ANN) =>
      hub.order({ MessageId: id, GatewayId: SMS, RemoteAddress: to, Direction: 'O', BodyText: text }),
    async journal(ask) {
      const reader = await openJournalReader(config.journal);
      try {
        return await ask(reader);
      } finally {
        await reader.close();
      }
    },
    tamper(sql) {
      const database = new DatabaseSync(config.journal.replace(/^sqlite:/, ''), { timeout: 5_000 });
      try {
        database.exec(sql);
      } finally {
        database.close();
      }
    },
    async restart() {
      await stopping(bed.service, clock);
      bed.service = await start();
    },
    async close() {
      await stopping(bed.service, clock);
      await hub.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return bed;
}

async function stopping(service: Service, clock: ManualClock): Promise<void> {
  let ended = false;
  const end = service.stop().finally(() => {
    ended = true;
  });
  while (!ended) await clock.advance(1_000);
  await end;
}
