// FaxMail is built on a mailbox driver and a mail-server driver, which are passed in. They open, check, receive and send; this
// driver turns mails into faxes and faxes into mails.

import {
  type Attempt,
  type CheckStep,
  type ComposedFax,
  type Destination,
  type Driver,
  type FaxDocument,
  GatepostError,
  type GatewayContext,
  type InboundMessage,
  messageOf,
  type Outcome,
} from '../../src/driver/contract.js';
import { faxRulesOf, reportToOf } from '../../src/driver/shared/fax-settings.js';
import { linkDaysOf } from '../../src/driver/shared/link-settings.js';
import { addressFor, writeNumber } from './address.js';
import { type Composed, compose, outcomeOf } from './compose.js';
import { unpack } from './receive.js';
import { type FaxMailSettings, type MailDrivers, outgoingOf, settingsFor } from './settings.js';

type Context = GatewayContext<FaxMailSettings>;

export interface Session {
  readonly context: Context;
  /** The driver of this direction and its own session. */
  readonly driver: Driver;
  readonly mail: unknown;
}

type FaxMail = Driver<FaxMailSettings, Session, FaxDocument, ComposedFax>;

/** Sends at once, where the relay driver gives no number. */
const DEFAULT_CONCURRENCY = 5;

export function faxMail(drivers: MailDrivers): FaxMail {
  const { mailbox, relay } = drivers;
  return {
    device: 'FaxMail',
    channel: 'Fax',
    summary: 'Sends and receives faxes through a fax service that is reached by mail.',
    settings: settingsFor(drivers),
    open: (context) => open(context, drivers),
    close: ({ driver, mail }) => driver.close(mail),
    check: (context, signal) => check(context, drivers, signal),
    ...(mailbox?.receive && { receive }),
    ...(relay?.send && { send }),
    ...(relay?.lookup && { lookup }),
    faxRules: (settings) => faxRulesOf(settings, settings.Document === 'Tiff' ? 'tiff' : 'pdf'),
    concurrency: ({ Relay }) => (Relay === undefined ? 1 : (relay?.concurrency?.(Relay) ?? DEFAULT_CONCURRENCY)),
    reportTo: reportToOf,
    linkDays: linkDaysOf,
    whenUncertain: ({ WhenUncertain }) => WhenUncertain,
    destinations: (settings) => destinationsOf(settings, drivers),
  };
}

/** Password stands in the mails: it goes to the relay, and from there to the domain of the provider. */
function destinationsOf(settings: FaxMailSettings, { mailbox, relay }: MailDrivers): Destination[] {
  const { Mailbox, Relay } = settings;
  const within = (name: string, found: readonly Destination[]) =>
    found.map((one) => ({ ...one, secrets: one.secrets.map((secret) => `${name}.${secret}`) }));
  const mails = Mailbox === undefined ? [] : within('Mailbox', mailbox?.destinations?.(Mailbox) ?? []);
  const relays = Relay === undefined ? [] : within('Relay', relay?.destinations?.(Relay) ?? []);
  const domain = outgoingOf(settings).address.replace(/^.*@/, '');
  const provider = domain === '' ? [] : [{ host: domain, isProtected: true, secrets: ['Password'] }];
  return [...mails, ...relays.map((one) => ({ ...one, secrets: [...one.secrets, 'Password'] })), ...provider];
}

interface MailSide {
  readonly driver: Driver;
  readonly context: GatewayContext<unknown>;
}

/** The mail driver of the gateway's direction, and the context with that driver's settings. */
function mailSideOf(context: Context, { mailbox, relay }: MailDrivers): MailSide {
  const { direction } = context.gateway;
  const { Mailbox, Relay } = context.settings;
  const [driver, settings, name] = direction === 'I' ? [mailbox, Mailbox, 'Mailbox'] : [relay, Relay, 'Relay'];
  if (driver && settings !== undefined) return { driver, context: { ...context, settings } };
  throw new GatepostError('gateway/failed', `${name} is missing: a gateway of direction ${direction} needs it`, {
    advice: `write "${name}": { ... } into its FaxMail settings`,
  });
}

async function open(context: Context, drivers: MailDrivers): Promise<Session> {
  const { driver, context: inner } = mailSideOf(context, drivers);
  return { context, driver, mail: await driver.open(inner) };
}

async function* check(context: Context, drivers: MailDrivers, signal: AbortSignal): AsyncGenerator<CheckStep> {
  let side: MailSide;
  try {
    side = mailSideOf(context, drivers);
  } catch (error) {
    return yield { name: 'Settings of this direction', ok: false, detail: messageOf(error) };
  }
  if (context.gateway.direction === 'O') yield addressStep(context.settings);
  yield* side.driver.check(side.context, signal);
}

/** An example; never dialled. */
const EXAMPLE_NUMBER = '+420222333444';

function addressStep(settings: FaxMailSettings): CheckStep {
  const { address, numberFormat } = outgoingOf(settings);
  const number = writeNumber(EXAMPLE_NUMBER, numberFormat);
  return {
    name: `Address of a fax to ${EXAMPLE_NUMBER}`,
    ok: true,
    detail: number.ok ? addressFor(address, number.text) : '',
  };
}

async function* receive(
  { driver, mail, context }: Session,
  signal: AbortSignal,
): AsyncGenerator<InboundMessage<FaxDocument>> {
  if (driver.receive) yield* unpack(driver.receive(mail, signal), context);
}

async function send(session: Session, fax: ComposedFax, attempt: Attempt): Promise<Outcome> {
  const { driver, mail, context } = session;
  const composed = await composeMail(session, fax);
  if (!composed.ok) return { kind: 'rejected', detail: composed.problem };
  if (!driver.send) return { kind: 'rejected', detail: `${driver.device} cannot send` };
  return outcomeOf(await driver.send(mail, composed.mail, attempt), composed, context.settings.AnswerWhen);
}

async function lookup(session: Session, fax: ComposedFax, attempt: Attempt): Promise<Outcome | 'not found'> {
  const { driver, mail, context } = session;
  const composed = await composeMail(session, fax);
  const found = composed.ok && (await driver.lookup?.(mail, composed.mail, attempt));
  if (!composed.ok || !found || found === 'not found') return 'not found';
  return outcomeOf(found, composed, context.settings.AnswerWhen);
}

/** A mail that cannot be composed is a rejection: nothing was sent. */
async function composeMail({ driver, context }: Session, fax: ComposedFax): Promise<Composed> {
  const { settings, gateway, clock } = context;
  const sender = driver.sender?.(settings.Relay) ?? {};
  const from = { gatewayId: gateway.id, outgoing: outgoingOf(settings), sender, now: clock.now() };
  try {
    return await compose(fax, from);
  } catch (error) {
    return { ok: false, problem: `the mail to the provider cannot be composed: ${messageOf(error)}` };
  }
}
