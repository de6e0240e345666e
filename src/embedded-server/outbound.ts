// What is due goes to every connector that serves its gateway; what is not answered in time
// is repeated with the same MessageId.
import { type Clock, isoTime } from '../kit/clock.js';
import { messageOf } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import { type Loop, loop } from '../kit/loop.js';
import type { GatewayInfo, MessageContentInfo } from '../model/message.js';
import type { Frame } from '../simprot/codec.js';
import { commandInfo, MSG, problemsOf } from '../simprot/messages.js';
import type { Sender } from './inbound.js';
import type { AnswerVerdict, DueSendRequest } from './send-requests.js';
import type { Store, Tables } from './store.js';

/** A logged-in connector. */
export interface Connector extends Sender {
  send(frame: Frame): Promise<void>;
}

export interface OutboundOptions {
  store: Store;
  clock: Clock;
  log: Log;
  gateways: () => readonly GatewayInfo[];
  connectors: () => readonly Connector[];
}

export interface OutboundSender extends Loop {
  /** ES_MESSAGE_SENT. `malformed`: it could not be read. */
  answered(content: unknown, from: Sender): AnswerVerdict | 'malformed';
}

/** Ms between two looks at the store, which desk commands of other processes write into. */
const LOOK_MS = 250;
/** Ms between two signs of life; a desk command takes the embedded server for dead after 5 s. */
const BEAT_MS = 2_000;
/** Ms until a send request that cannot be handed to anybody is looked at again. */
const WAIT_MS = 1_000;
/** Send requests started in one round: with bodies, so not thousands. */
const AT_ONCE = 50;

/** The members of SE_MESSAGE_SENDING, as published. */
const SENDING = [
  'MessageId',
  'GatewayId',
  'DeliverySystemId',
  'FromField',
  'RemoteAddress',
  'ToField',
  'ToCcField',
  'ToBccField',
  'ExtendedFields',
  'Direction',
  'ReceivedSentTime',
  'DraftTime',
  'SubjectField',
  'BodyHtml',
  'BodyText',
  'Mark',
  'Hierarchy',
] as const satisfies readonly (keyof MessageContentInfo)[];

interface Sending {
  frame: Frame;
  to: readonly Connector[];
}

export function outboundSender(options: OutboundOptions): OutboundSender {
  const { store, clock, log, connectors } = options;
  const since = clock.now();
  let beatDue = since;
  let beaten = 0;

  const look = async () => {
    const at = clock.now();
    const count = connectors().length;
    const sendings = store.write((tables) => {
      tables.sendRequests.lapse(at);
      if (at >= beatDue || count !== beaten) tables.reading.beat({ at, since, connectors: count });
      return tables.sendRequests.due(at, AT_ONCE).flatMap((sendRequest) => begin(tables, sendRequest, at, options));
    });
    if (at >= beatDue) beatDue = at + BEAT_MS;
    beaten = count;
    for (const { frame, to } of sendings) for (const connector of to) hand(connector, frame, log);
    // More than one look's worth may be waiting.
    return sendings.length === AT_ONCE ? 0 : LOOK_MS;
  };
  const looking = loop({ clock, log, name: 'sending to connectors', failurePauseMs: 1_000 }, look);
  return { ...looking, answered: (content, from) => answered(content, from, options) };
}

/** Takes one due send request up; nothing has left when this returns, and it is sent only once its step is durable. */
function begin({ sendRequests }: Tables, { message }: DueSendRequest, at: number, options: OutboundOptions): Sending[] {
  const id = message.MessageId;
  const gateway = options.gateways().find(({ Id, Direction }) => Id === message.GatewayId && Direction === 'O');
  if (!gateway) {
    sendRequests.defer(id, 'waits: its gateway is not in the gateways file at present', at, WAIT_MS);
    return [];
  }
  const peer = gateway.PeerAddress ?? '';
  const to = options.connectors().filter(({ peers }) => peers.includes(peer.toLowerCase()));
  if (to.length === 0) {
    sendRequests.defer(id, `waits: no connector for ${peer} is logged in at present`, at, WAIT_MS);
    return [];
  }
  const names = to.map(({ name }) => name);
  if (!sendRequests.begin(id, { connectors: names, peerAddress: peer }, at)) return [];
  const now = { ...message, ReceivedSentTime: isoTime(at) };
  const content = Object.fromEntries(SENDING.map((name) => [name, now[name] ?? null]));
  return [{ frame: { code: MSG.sending, peer, content }, to }];
}

/** One connector that cannot be written to is no reason to fail the send request: the time limit decides. */
function hand(connector: Connector, frame: Frame, log: Log): void {
  connector.send(frame).catch((error) => {
    log.warn({ connector: connector.name, err: messageOf(error) }, 'send request could not be sent to a connector');
  });
}

function answered(content: unknown, from: Sender, { store, clock, log }: OutboundOptions): AnswerVerdict | 'malformed' {
  const parsed = commandInfo.safeParse(content);
  const id = parsed.data?.Id;
  if (!parsed.success || !id) {
    const why = parsed.success ? 'Id: is missing' : problemsOf(parsed.error);
    log.warn({ connector: from.name }, `ES_MESSAGE_SENT was ignored: ${why}`);
    return 'malformed';
  }
  const { RefId, Reference, Data } = parsed.data;
  const answer = {
    messageId: id,
    gatewayId: RefId ?? null,
    connector: from.name,
    peers: from.peers,
    // An empty text is an error without words, not a success: only null is.
    error: Data === null || Data === undefined ? null : Data || '(no reason given)',
    deliverySystemId: Reference || null,
  };
  const verdict = store.write(({ sendRequests }) => sendRequests.answer(answer, clock.now()));
  if (verdict === 'unknown') log.warn({ connector: from.name, messageId: id }, 'answer to an unknown message ignored');
  if (verdict === 'fault')
    log.warn({ connector: from.name, message_id: id }, 'send request was answered more often than asked');
  return verdict;
}
