// Owns FaxMail: faxes through a fax service that is reached by mail. It is built on a driver for mailboxes and one for mail
// servers, which it is handed: they open, check, receive and send; here is only what makes a fax of a mail and back.
import {
  type Attempt,
  type CheckStep,
  type ComposedFax,
  type Driver,
  type FaxDocument,
  GatepostError,
  type GatewayContext,
  type InboundMessage,
  messageOf,
  type Outcome,
} from '../../src/driver/contract.js';
import { faxRulesOf, reportToOf } from '../../src/driver/shared/fax-settings.js';
import { addressFor, writeNumber } from './address.js';
import { type Composed, compose, judge } from './compose.js';
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

/** Of a relay that does not say how much it takes. */
const USUAL_CONNECTIONS = 5;

export function faxMail(drivers: MailDrivers): FaxMail {
  const { mailbox, relay } = drivers;
  return {
    device: 'FaxMail',
    channel: 'Fax',
    summary: 'Faxes both ways through a fax service that takes and brings them by mail.',
    settings: settingsFor(drivers),
    open: (context) => open(context, drivers),
    close: ({ driver, mail }) => driver.close(mail),
    check: (context, signal) => check(context, drivers, signal),
    ...(mailbox?.receive && { receive }),
    ...(relay?.send && { send }),
    ...(relay?.lookup && { lookup }),
    faxRules: (settings) => faxRulesOf(settings, settings.Document === 'Tiff' ? 'tiff' : 'pdf'),
    concurrency: ({ Relay }) => (Relay === undefined ? 1 : (relay?.concurrency?.(Relay) ?? USUAL_CONNECTIONS)),
    reportTo: reportToOf,
    whenUncertain: ({ WhenUncertain }) => WhenUncertain,
  };
}

interface Half {
  readonly driver: Driver;
  readonly context: GatewayContext<unknown>;
}

/** The mail driver of the gateway's direction, and the context that it gets to see: the same world, its own settings. */
function halfOf(context: Context, { mailbox, relay }: MailDrivers): Half {
  const { direction } = context.gateway;
  const { Mailbox, Relay } = context.settings;
  const [driver, settings, name] = direction === 'I' ? [mailbox, Mailbox, 'Mailbox'] : [relay, Relay, 'Relay'];
  if (driver && settings !== undefined) return { driver, context: { ...context, settings } };
  throw new GatepostError(
    'gateway/failed',
    `${name} is missing: a gateway of direction ${direction} cannot do without`,
    {
      advice: `write "${name}": { ... } into its FaxMail settings`,
    },
  );
}

async function open(context: Context, drivers: MailDrivers): Promise<Session> {
  const { driver, context: inner } = halfOf(context, drivers);
  return { context, driver, mail: await driver.open(inner) };
}

async function* check(context: Context, drivers: MailDrivers, signal: AbortSignal): AsyncGenerator<CheckStep> {
  let half: Half;
  try {
    half = halfOf(context, drivers);
  } catch (error) {
    return yield { name: 'Settings of this direction', ok: false, detail: messageOf(error) };
  }
  if (context.gateway.direction === 'O') yield addressStep(context.settings);
  yield* half.driver.check(half.context, signal);
}

/** A number to show the address with; it is called by nobody. */
const SHOWN = '+420222333444';

function addressStep(settings: FaxMailSettings): CheckStep {
  const { address, numberFormat } = outgoingOf(settings);
  const number = writeNumber(SHOWN, numberFormat);
  return { name: `Address of a fax to ${SHOWN}`, ok: true, detail: number.ok ? addressFor(address, number.text) : '' };
}

async function* receive(
  { driver, mail, context }: Session,
  signal: AbortSignal,
): AsyncGenerator<InboundMessage<FaxDocument>> {
  if (driver.receive) yield* unpack(driver.receive(mail, signal), context, signal);
}

async function send(session: Session, fax: ComposedFax, attempt: Attempt): Promise<Outcome> {
  const { driver, mail, context } = session;
  const composed = await letter(session, fax);
  if (!composed.ok) return { kind: 'rejected', detail: composed.problem };
  if (!driver.send) return { kind: 'rejected', detail: `${driver.device} cannot send` };
  return judge(await driver.send(mail, composed.mail, attempt), composed, context.settings.AnswerWhen);
}

async function lookup(session: Session, fax: ComposedFax, attempt: Attempt): Promise<Outcome | 'not found'> {
  const { driver, mail, context } = session;
  const composed = await letter(session, fax);
  const found = composed.ok && (await driver.lookup?.(mail, composed.mail, attempt));
  if (!composed.ok || !found || found === 'not found') return 'not found';
  return judge(found, composed, context.settings.AnswerWhen);
}

/** Nothing has left yet when the mail cannot be made, so that is no doubt but a refusal. */
async function letter({ driver, context }: Session, fax: ComposedFax): Promise<Composed> {
  const { settings, gateway, clock } = context;
  const sender = driver.sender?.(settings.Relay) ?? {};
  const from = { gatewayId: gateway.id, outgoing: outgoingOf(settings), sender, now: clock.now() };
  try {
    return await compose(fax, from);
  } catch (error) {
    return { ok: false, problem: `the mail to the provider could not be made: ${messageOf(error)}` };
  }
}
