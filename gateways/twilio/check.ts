// The connection test of Twilio: account, number or messaging service, webhook address. Reads only.
import { type CheckStep, deadline, type GatewayContext } from '../../src/driver/contract.js';
import { type Api, openApi } from './api.js';
import { reasonOf } from './codes.js';
import { isWord, type Settings } from './settings.js';

/** Ms within which the whole test is done. */
const CHECK_MS = 60_000;

export async function* check(context: GatewayContext<Settings>, signal: AbortSignal): AsyncGenerator<CheckStep> {
  const due = deadline(context.clock, CHECK_MS, signal);
  const api = await openApi(context);
  try {
    for (const { name, work, advice } of stepsFor(context, api, due.signal)) {
      const step = await work().then(
        (detail) => ({ name, ok: true, detail }),
        (error) => ({ name, ok: false, detail: `${reasonOf(error)}; ${advice}` }),
      );
      yield step;
      if (!step.ok) return;
    }
  } finally {
    await api.close();
    due.dispose();
  }
}

interface Step {
  readonly name: string;
  readonly work: () => Promise<string>;
  readonly advice: string;
}

function stepsFor(context: GatewayContext<Settings>, api: Api, signal: AbortSignal): Step[] {
  const { settings, gateway } = context;
  const { AccountSid, Number: number, MessagingServiceSid } = settings;
  const steps: Step[] = [
    {
      name: `Messages of account ${AccountSid} at ${api.urlOf('/').host}`,
      work: () => account(api, signal),
      advice: 'check AccountSid and AuthToken (or ApiKey and ApiSecret), BaseUrl, and whether a firewall is in between',
    },
  ];
  if (MessagingServiceSid)
    steps.push({
      name: `Messaging service ${MessagingServiceSid}`,
      work: () => service(api, MessagingServiceSid, signal),
      advice: 'check MessagingServiceSid',
    });
  if (number)
    steps.push({
      name: isWord(number) ? `Sender name ${number}` : `Number ${number}`,
      work: () => sender(api, number, context, signal),
      advice: 'check Number: it has to belong to the account and to be able to send and receive messages',
    });
  if (settings.Webhook)
    steps.push({
      name: 'Address for what Twilio pushes',
      work: () => pushing(context),
      advice: `check the public address of the HTTP port${gateway.direction === 'I' ? ', or rely on PollSeconds alone' : ''}`,
    });
  return steps;
}

async function account(api: Api, signal: AbortSignal): Promise<string> {
  const page = await api.call(signal, ({ client }) => client.messages.page({ pageSize: 1 }));
  const newest = page.instances[0];
  return newest ? `can be read; the newest is ${newest.sid} (${newest.status})` : 'can be read; there are none yet';
}

async function service(api: Api, sid: string, signal: AbortSignal): Promise<string> {
  const found = await api.call(signal, ({ client }) => client.messaging.v1.services(sid).fetch());
  return `is there: ${found.friendlyName}`;
}

async function sender(
  api: Api,
  number: string,
  context: GatewayContext<Settings>,
  signal: AbortSignal,
): Promise<string> {
  if (isWord(number)) {
    if (context.gateway.direction === 'I') throw new Error('customers cannot answer to a sender name');
    return 'is used unchanged; the first message shows whether the carrier accepts it';
  }
  if (!number.startsWith('+')) {
    const [code] = await api.call(signal, ({ client }) => client.shortCodes.list({ shortCode: number, limit: 1 }));
    if (!code) throw new Error('the account has no such short code');
    return `belongs to the account${pointsTo(code.smsUrl, context)}`;
  }
  const [found] = await api.call(signal, ({ client }) =>
    client.incomingPhoneNumbers.list({ phoneNumber: number, limit: 1 }),
  );
  if (!found) throw new Error('the account has no such number');
  if (found.capabilities?.sms === false) throw new Error('the number cannot send or receive messages');
  return `belongs to the account${pointsTo(found.smsUrl, context)}`;
}

function pointsTo(url: string | null | undefined, { settings, gateway, webhookUrl }: GatewayContext<Settings>): string {
  if (!settings.Webhook || gateway.direction === 'O' || url === webhookUrl) return '';
  const polled = settings.PollSeconds > 0 ? `found every ${settings.PollSeconds} s` : 'not received';
  return `; its messages are pushed to ${url || 'nowhere'} and not to ${webhookUrl}, so they are ${polled}`;
}

/** Twilio refuses every message with an address for states that it cannot reach (21609). */
async function pushing({ settings, webhookUrl }: GatewayContext<Settings>): Promise<string> {
  if (webhookUrl === null) throw new Error('the HTTP port has no address to be reached at');
  const { hostname } = new URL(webhookUrl);
  if (settings.BaseUrl === undefined && /^(localhost|127\.|10\.|192\.168\.|\[)/.test(hostname))
    throw new Error(`${webhookUrl} cannot be reached from outside`);
  return webhookUrl;
}
