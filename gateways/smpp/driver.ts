// Text messages to and from an SMSC by SMPP 3.4. The two directions of an account share its connections
// (session/account.ts). Point of no return: submit_sm handed to the socket (send/submit.ts). The SMSC gets a positive
// response to a text only after the server's acknowledgement is in the journal, or, for a part of a long message, after
// the part is stored (receive/inbox.ts).
import type { ComposedText, Driver, GatewayContext, TextMessage } from '../../src/driver/contract.js';
import { textRulesOf } from '../../src/driver/shared/text-settings.js';
import { checkSteps } from './check.js';
import { Inbox } from './receive/inbox.js';
import { Outbox } from './send/outbox.js';
import { type AccountHandle, joinAccount } from './session/account.js';
import { peersOf } from './session/peers.js';
import { type SmppSettings, settings } from './settings.js';

export type SmppSession =
  | { readonly direction: 'I'; readonly account: AccountHandle; readonly inbox: Inbox }
  | { readonly direction: 'O'; readonly account: AccountHandle; readonly outbox: Outbox };

export const smpp: Driver<SmppSettings, SmppSession, TextMessage, ComposedText> = {
  device: 'Smpp',
  channel: 'SMS',
  summary: 'Sends and receives text messages through a carrier (SMPP 3.4), with delivery receipts.',
  settings,
  open,
  async close(session) {
    if (session.direction === 'I') session.inbox.close();
    await session.account.leave();
  },
  check: checkSteps,
  receive: (session, signal) => (session.direction === 'I' ? session.inbox.messages(signal) : nothing()),
  send: async (session, message, attempt) =>
    session.direction === 'O' ? session.outbox.send(session.account, message, attempt) : receivesOnly(),
  lookup: async (session, message, attempt) =>
    session.direction === 'O' ? session.outbox.lookup(session.account, message, attempt) : receivesOnly(),
  textRules: (settings) => textRulesOf(settings, settings.SourceAddress),
  concurrency: ({ WindowSize }) => WindowSize,
  whenUncertain: ({ WhenUncertain }) => WhenUncertain,
  destinations: ({ Host, Tls, AllowUntrustedCertificate }) => [
    { host: Host, isProtected: Tls && !AllowUntrustedCertificate, secrets: ['Password'] },
  ],
};

async function open(context: GatewayContext<SmppSettings>): Promise<SmppSession> {
  const { gateway, settings, log } = context;
  if (settings.AllowUntrustedCertificate) log.warn({ host: settings.Host }, 'certificate of the SMSC is not verified');
  return gateway.direction === 'O' ? openSender(context) : openReceiver(context);
}

async function openSender(context: GatewayContext<SmppSettings>): Promise<SmppSession> {
  const outbox = await Outbox.open(context);
  const account = await joinAccount(context, {
    ...(await memberOf(context)),
    direction: 'O',
    owner: outbox.owner,
    onReceipt: (pdu, connection, isContested) => outbox.receipt(pdu, connection, isContested),
    onLost: () => {},
  });
  return { direction: 'O', account, outbox };
}

async function openReceiver(context: GatewayContext<SmppSettings>): Promise<SmppSession> {
  const inbox = new Inbox(context);
  const account = await joinAccount(context, {
    ...(await memberOf(context)),
    direction: 'I',
    onText: (pdu, connection) => inbox.push(pdu, connection),
    onLost: (role, why) => {
      if (role !== 'transmitter') inbox.fail(why);
    },
  });
  return { direction: 'I', account, inbox };
}

async function memberOf(context: GatewayContext<SmppSettings>) {
  const { gateway, settings, inputRejected } = context;
  return { gatewayId: gateway.id, settings, inputRejected, peers: await peersOf(context) };
}

async function* nothing() {}

function receivesOnly() {
  return { kind: 'rejected' as const, detail: 'this gateway receives only' };
}
