// The connection test: token, mailbox, folders, rights. Reads only.
import { type CheckStep, deadline, GatepostError, type GatewayContext } from '../../src/driver/contract.js';
import { type Api, openApi, reasonOf, statusOf } from './api.js';
import { type Folder, findFolder } from './folders.js';
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
        (error: unknown) => ({ name, ok: false, detail: `${reasonOf(error)}; ${adviceOf(error) ?? advice}` }),
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

function stepsFor({ settings, gateway }: GatewayContext<Settings>, api: Api, signal: AbortSignal): Step[] {
  const { Mailbox, Folder, MoveTo, AfterReceive } = settings;
  const isInbound = gateway.direction === 'I';
  const folder = (path: string): Step => ({
    name: `Folder ${path}`,
    work: async () => describe(await findFolder(api, path, signal)),
    advice: 'check the name of the folder',
  });
  const needed = isInbound
    ? [AfterReceive === 'Keep' ? 'Mail.Read' : 'Mail.ReadWrite']
    : ['Mail.Send', 'Mail.ReadWrite'];
  return [
    {
      name: `Token for the application ${settings.ClientId}`,
      work: async () => (await api.token(signal)) && 'the provider gave an access token',
      advice: 'check TenantId, ClientId and ClientSecret or Certificate',
    },
    {
      name: `Mailbox ${Mailbox} at ${api.host}`,
      work: async () => describe(await findFolder(api, 'inbox', signal)),
      advice: `check Mailbox, and that the application has the permission ${needed.join(' and ')} with consent of an administrator, for this mailbox`,
    },
    ...(isInbound ? [folder(Folder), ...(MoveTo ? [folder(MoveTo)] : [])] : [folder('sentitems')]),
    {
      name: `Rights ${needed.join(', ')}`,
      work: async () => rightsOf(await api.token(signal), needed),
      advice: `give the application the permission ${needed.join(' and ')} and consent as an administrator`,
    },
  ];
}

function describe({ displayName, totalItemCount, unreadItemCount }: Folder): string {
  return `"${displayName}" has ${totalItemCount} mails, ${unreadItemCount} of them unread`;
}

function adviceOf(error: unknown): string | undefined {
  return statusOf(error) === 0 && error instanceof GatepostError ? error.advice : undefined;
}

/** Rights that Exchange gives to an application by itself are in no token, so only a wrong list of others is a failure. */
function rightsOf(token: string, needed: readonly string[]): string {
  const roles = rolesOf(token);
  if (roles === undefined) return 'the token does not show its rights; they show with the first mail';
  const missing = needed.filter(
    (right) => !roles.includes(right) && !(right === 'Mail.Read' && roles.includes('Mail.ReadWrite')),
  );
  if (missing.length === 0) return `the token has ${roles.filter((role) => role.startsWith('Mail.')).join(', ')}`;
  if (roles.some((role) => role.startsWith('Mail.')))
    throw new Error(`the token has ${roles.join(', ')} and not ${missing.join(', ')}`);
  return `the token names no right to mail; where Exchange gives the rights (RBAC for Applications) that is right`;
}

/** The claim `roles`, which is shown and never trusted. */
function rolesOf(token: string): string[] | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
    const roles = typeof claims === 'object' && claims !== null && 'roles' in claims ? claims.roles : [];
    return Array.isArray(roles) ? roles.map(String) : [];
  } catch {
    return undefined;
  }
}
