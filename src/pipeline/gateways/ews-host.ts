// FrontStage's device for Exchange Web Services: what replaces it, in the words of the administrator's own settings.
import { formatDevice } from '../../simprot/device.js';
import { isReference } from './secrets.js';

type Written = Readonly<Record<string, unknown>>;

/** Names under which such a device may hold what GraphMail wants; compared without regard to case. */
const NAMES = {
  Mailbox: ['Mailbox', 'SharedMailbox', 'Email', 'EmailAddress', 'Address', 'User', 'UserName', 'Login', 'Account'],
  Folder: ['Folder', 'FolderName', 'Inbox'],
  TenantId: ['TenantId', 'Tenant', 'DirectoryId', 'Domain'],
  ClientId: ['ClientId', 'ApplicationId', 'AppId'],
  ClientSecret: ['ClientSecret', 'AppSecret'],
} as const;

/** `written`: undefined when the settings cannot be read. A secret that is no reference is not repeated. */
export function ewsReplacement(type: string, written: Written | undefined): string {
  const values = new Map(Object.entries(written ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
  const find = (names: readonly string[], fits: (value: string) => boolean) =>
    names
      .map((name) => values.get(name.toLowerCase()))
      .find((value): value is string => typeof value === 'string' && fits(value.trim()))
      ?.trim();
  const mailbox = find(NAMES.Mailbox, (value) => /^[^\s<>@]+@[^\s<>@]+$/.test(value));
  const folder = find(NAMES.Folder, (value) => value !== '' && value.toLowerCase() !== 'inbox');
  const given = (value: string) => value !== '' && !value.includes('@');
  const settings = {
    TenantId: find(NAMES.TenantId, given) ?? mailbox?.split('@').at(-1) ?? 'TENANT',
    ClientId: find(NAMES.ClientId, given) ?? 'ID OF THE APPLICATION',
    ClientSecret: find(NAMES.ClientSecret, isReference) ?? '${env:GATEPOST_SECRET_MAIL_APP}',
    Mailbox: mailbox ?? 'ADDRESS OF THE MAILBOX',
    ...(folder !== undefined && { Folder: folder }),
  };
  return `device type ${type} is run by FrontStage itself, not by this connector, and Exchange Web Services end at Microsoft 365 on 2027-04-01; register an application at Microsoft and write instead: ${formatDevice('GraphMail', settings)}`;
}
