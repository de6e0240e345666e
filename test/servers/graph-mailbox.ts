// A mailbox as Microsoft Graph shows it: folders, mails with ids that stay when a mail is moved, and the changes of a folder.
import { randomBytes } from 'node:crypto';

export interface GraphMail {
  readonly id: string;
  folder: string;
  raw: Buffer;
  messageId: string;
  receivedAt: number;
  isRead: boolean;
  isDraft: boolean;
  flagged: boolean;
  categories: string[];
  attachments: { name: string; content: Buffer }[];
  /** Number of the last change. */
  changed: number;
}

export interface GraphFolder {
  readonly id: string;
  readonly displayName: string;
  readonly parent: string;
  readonly wellKnown?: string;
}

export interface Changes {
  readonly value: object[];
  /** A token for the next page, or for later changes. */
  readonly next: string | undefined;
  readonly later: string | undefined;
}

export class GraphMailbox {
  readonly mails = new Map<string, GraphMail>();
  readonly folders: GraphFolder[] = [
    { id: 'F-inbox=', displayName: 'Inbox', parent: 'root', wellKnown: 'inbox' },
    { id: 'F-archive=', displayName: 'Archive', parent: 'root', wellKnown: 'archive' },
    { id: 'F-sent=', displayName: 'Sent Items', parent: 'root', wellKnown: 'sentitems' },
    { id: 'F-drafts=', displayName: 'Drafts', parent: 'root', wellKnown: 'drafts' },
    { id: 'F-support=', displayName: "Support's příchozí", parent: 'F-inbox=' },
  ];
  private readonly removed: { folder: string; id: string; changed: number }[] = [];
  private count = 0;
  private epoch = 1;

  add(raw: Buffer, more: Partial<GraphMail> = {}): GraphMail {
    const messageId = /^message-id:\s*(\S+)/im.exec(raw.toString('latin1'))?.[1] ?? '';
    const mail: GraphMail = {
      id: `AAkALg${randomBytes(60).toString('base64url')}=`,
      ...{ folder: 'F-inbox=', raw, messageId, receivedAt: Date.now() },
      ...{ isRead: false, isDraft: false, flagged: false, categories: [], attachments: [] },
      ...more,
      changed: ++this.count,
    };
    this.mails.set(mail.id, mail);
    return mail;
  }

  touch(mail: GraphMail): void {
    mail.changed = ++this.count;
  }

  move(mail: GraphMail, folder: string): void {
    this.removed.push({ folder: mail.folder, id: mail.id, changed: ++this.count });
    mail.folder = folder;
    this.touch(mail);
  }

  remove(mail: GraphMail): void {
    this.removed.push({ folder: mail.folder, id: mail.id, changed: ++this.count });
    this.mails.delete(mail.id);
  }

  /** Every link given so far is forgotten. */
  expireLinks(): void {
    this.epoch += 1;
  }

  in(folder: string): GraphMail[] {
    return [...this.mails.values()].filter((mail) => mail.folder === folder);
  }

  /** Undefined for a forgotten token. */
  changes(folder: string, token: string | null, pageSize: number): Changes | undefined {
    const [epoch = '', from = ''] = (token ?? `${this.epoch}.0`).split('.');
    if (Number(epoch) !== this.epoch) return undefined;
    const after = Number(from);
    const there = this.in(folder)
      .filter(({ changed }) => changed > after)
      .map((mail) => ({ changed: mail.changed, shown: shown(mail) }));
    const gone = after === 0 ? [] : this.removed.filter((entry) => entry.folder === folder && entry.changed > after);
    const all = [...there, ...gone.map(({ id, changed }) => ({ changed, shown: removal(id) }))];
    all.sort((one, other) => one.changed - other.changed);
    const page = all.slice(0, pageSize);
    const isLast = page.length === all.length;
    const value = page.map((entry) => entry.shown);
    const upTo = `${this.epoch}.${isLast ? this.count : (page.at(-1)?.changed ?? after)}`;
    return { value, next: isLast ? undefined : upTo, later: isLast ? upTo : undefined };
  }
}

const removal = (id: string) => ({ id, '@removed': { reason: 'deleted' } });

export function shown(mail: GraphMail): object {
  return {
    '@odata.etag': `W/"${mail.changed}"`,
    id: mail.id,
    receivedDateTime: new Date(mail.receivedAt).toISOString().replace(/\.\d+Z$/, 'Z'),
    internetMessageId: mail.messageId,
    parentFolderId: mail.folder,
    ...{ isRead: mail.isRead, isDraft: mail.isDraft, categories: mail.categories },
    singleValueExtendedProperties: [{ id: 'Long 0xe08', value: String(mail.raw.length) }],
  };
}
