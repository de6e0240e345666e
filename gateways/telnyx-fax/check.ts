// The connection test of Telnyx: key, fax application, number, webhook address, folder. Reads only.
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type CheckStep, deadline, type GatewayContext } from '../../src/driver/contract.js';
import { z } from '../../src/driver/settings.js';
import { type Api, extract, openApi, reasonOf } from './api.js';
import { faxOf } from './faxes.js';
import type { Settings } from './settings.js';

/** Ms within which the whole test is done. */
const CHECK_MS = 60_000;

export async function* check(context: GatewayContext<Settings>, signal: AbortSignal): AsyncGenerator<CheckStep> {
  const due = deadline(context.clock, CHECK_MS, signal);
  const api = openApi(context);
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
  const { ConnectionId, Number: number, Webhook, DocumentFolder } = context.settings;
  const steps: Step[] = [
    {
      name: `Faxes of the account at ${api.home.host}`,
      work: () => account(api, signal),
      advice: 'check ApiKey and BaseUrl, and whether a firewall is in between',
    },
    {
      name: `Fax application ${ConnectionId}`,
      work: () => application(api, context, signal),
      advice: 'check ConnectionId, and the fax application in the portal of Telnyx',
    },
    {
      name: `Number ${number}`,
      work: () => ownNumber(api, context, signal),
      advice: 'check Number: it has to belong to the account and to be assigned to the fax application',
    },
  ];
  if (Webhook)
    steps.push({
      name: 'Address for what Telnyx pushes',
      work: async () => pushing(context),
      advice: 'check the public address of the HTTP port, or rely on polling alone',
    });
  if (DocumentFolder !== undefined && context.gateway.direction === 'O')
    steps.push({
      name: `Folder for documents ${DocumentFolder}`,
      work: () => folder(resolve(context.dataDir, DocumentFolder)),
      advice: 'make the folder and let the user that runs Gatepost write to it',
    });
  return steps;
}

const listed = z.object({ data: z.array(z.unknown()) });

async function account(api: Api, signal: AbortSignal): Promise<string> {
  const { data } = extract(
    listed,
    await api.get({ method: 'GET', path: '/faxes', query: { 'page[size]': '1' } }, signal),
  );
  const newest = faxOf(data[0]);
  return newest ? `can be read; one of them is ${newest.id} (${newest.status})` : 'can be read; there are none yet';
}

const applicationSchema = z.object({
  data: z.object({
    application_name: z.string().nullish(),
    active: z.boolean().nullish(),
    webhook_event_url: z.string().nullish(),
    outbound: z.object({ outbound_voice_profile_id: z.string().nullish() }).nullish(),
  }),
});

async function application(api: Api, context: GatewayContext<Settings>, signal: AbortSignal): Promise<string> {
  const { settings, gateway, webhookUrl } = context;
  const path = `/fax_applications/${settings.ConnectionId}`;
  const { data } = extract(applicationSchema, await api.get({ method: 'GET', path }, signal));
  const name = data.application_name ?? settings.ConnectionId;
  if (data.active === false) throw new Error(`"${name}" is switched off`);
  if (gateway.direction === 'O') {
    if (!data.outbound?.outbound_voice_profile_id)
      throw new Error(`"${name}" has no outbound voice profile to call with`);
    return `"${name}" is there and can call`;
  }
  if (!settings.Webhook || data.webhook_event_url === webhookUrl) return `"${name}" is there`;
  const where = data.webhook_event_url || 'nowhere';
  return `"${name}" is there; it pushes to ${where} and not to ${webhookUrl}, so faxes are found every ${settings.PollSeconds} s`;
}

const numbersSchema = z.object({
  data: z.array(
    z.object({ phone_number: z.string(), status: z.string().nullish(), connection_id: z.string().nullish() }),
  ),
});

async function ownNumber(api: Api, { settings }: GatewayContext<Settings>, signal: AbortSignal): Promise<string> {
  const query = { 'filter[phone_number]': settings.Number };
  const { data } = extract(numbersSchema, await api.get({ method: 'GET', path: '/phone_numbers', query }, signal));
  const found = data.find(({ phone_number }) => phone_number === settings.Number);
  if (!found) throw new Error('the account has no such number');
  if (found.connection_id !== settings.ConnectionId) throw new Error('the number is assigned to another connection');
  return `belongs to the account and to the fax application${found.status ? ` (${found.status})` : ''}`;
}

function pushing({ settings, webhookUrl }: GatewayContext<Settings>): string {
  if (webhookUrl === null) throw new Error('the HTTP port has no address to be reached at');
  const { hostname } = new URL(webhookUrl);
  if (settings.BaseUrl === undefined && /^(localhost|127\.|10\.|192\.168\.|\[)/.test(hostname))
    throw new Error(`${webhookUrl} cannot be reached from outside`);
  return webhookUrl;
}

async function folder(path: string): Promise<string> {
  await access(path, constants.W_OK);
  return 'can be written to; whether Telnyx can read from it shows with the first fax';
}
