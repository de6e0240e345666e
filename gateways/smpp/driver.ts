// Owns Smpp: text messages to and from an SMSC by SMPP 3.4. The two directions of an account share its connections
// (link.ts). Point of no return: submit_sm handed to the socket (submit.ts). What comes in is answered positively only
// after the server's ack, or, for parts of long messages, after they are kept durably (inbox.ts).
import type { ComposedText, Driver, GatewayContext, TextMessage } from '../../src/driver/contract.js';
import { textRulesOf } from '../../src/driver/shared/text-settings.js';
import { checkSteps } from './check.js';
import { type Inbox, inboxOf } from './receive/inbox.js';
import { type Outbox, outboxOf } from './send/outbox.js';
import { joinLink, type Link } from './session/account.js';
import type { Role } from './session/bind.js';
import { companyOf } from './session/peers.js';
import { type SmppSettings, settings } from './settings.js';

export interface SmppSession {
  readonly link: Link;
  readonly inbox: Inbox | undefined;
  readonly outbox: Outbox | undefined;
}

export const smpp: Driver<SmppSettings, SmppSession, TextMessage, ComposedText> = {
  device: 'Smpp',
  channel: 'SMS',
  summary: 'Sends and receives text messages through a carrier (SMPP 3.4), with delivery receipts.',
  settings,
  open,
  async close({ inbox, link }) {
    inbox?.close();
    await link.leave();
  },
  check: (context, signal) => checkSteps(context, signal),
  receive: ({ inbox }, signal) => inbox?.inboundMessages(signal) ?? nothing(),
  async send({ outbox, link }, message, attempt) {
    return outbox?.send(link, message, attempt) ?? notThisWay();
  },
  async lookup({ outbox, link }, message, attempt) {
    return outbox?.lookup(link, message, attempt) ?? notThisWay();
  },
  textRules: (settings) => textRulesOf(settings, settings.SourceAddress),
  concurrency: ({ WindowSize }) => WindowSize,
  whenUncertain: ({ WhenUncertain }) => WhenUncertain,
};

async function open(context: GatewayContext<SmppSettings>): Promise<SmppSession> {
  const { gateway, settings, inputRejected } = context;
  if (settings.AllowUntrustedCertificate)
    context.log.warn({ host: settings.Host }, 'any certificate of the SMSC is accepted');
  const common = { id: gateway.id, settings, inputRejected, company: await companyOf(context) };
  if (gateway.direction === 'O') {
    const outbox = await outboxOf(context);
    const { receipt, owner } = outbox;
    const link = await joinLink(context, { ...common, direction: 'O', onPush: receipt, onLost: () => {}, owner });
    return { outbox, inbox: undefined, link };
  }
  const inbox = inboxOf(context);
  const onLost = (role: Role, why: string) => role !== 'transmitter' && inbox.fail(why);
  const link = await joinLink(context, { ...common, direction: 'I', onPush: inbox.push, onLost });
  return { inbox, outbox: undefined, link };
}

async function* nothing() {}

function notThisWay() {
  return { kind: 'rejected' as const, detail: 'this gateway receives only' };
}
