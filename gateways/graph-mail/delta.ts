// The changes of a folder: pages that each name the link to the next one, and at last the link to what comes later.
import { z } from '../../src/driver/settings.js';
import { type Api, errorOf, extract, GraphRefusal } from './api.js';

/** What a page tells of a mail. */
export interface Item {
  readonly id: string;
  /** Ms since the epoch; undefined where the page does not say. */
  readonly receivedAt: number | undefined;
  readonly isRead: boolean;
  readonly categories: readonly string[];
}

export interface Page {
  readonly items: readonly Item[];
  readonly link: string;
  /** True when everything up to now has been listed. */
  readonly isLast: boolean;
}

const PAGE_SIZE = 50;
const MEMBERS = 'receivedDateTime,isRead,isDraft,categories';

const pageSchema = z.object({
  value: z.array(
    z.object({
      id: z.string().min(1).max(500),
      receivedDateTime: z.string().optional().catch(undefined),
      isRead: z.boolean().catch(false),
      isDraft: z.boolean().catch(false),
      categories: z.array(z.string()).catch([]),
      '@removed': z.unknown().optional(),
    }),
  ),
  '@odata.nextLink': z.string().optional(),
  '@odata.deltaLink': z.string().optional(),
});

export function firstLink(folderId: string): string {
  return `/mailFolders/${encodeURIComponent(folderId)}/messages/delta?$select=${MEMBERS}`;
}

export async function readPage(api: Api, link: string, signal: AbortSignal): Promise<Page> {
  const prefer = [`odata.maxpagesize=${PAGE_SIZE}`];
  const page = extract(pageSchema, await api.need({ method: 'GET', path: link, prefer }, signal));
  const { '@odata.nextLink': next, '@odata.deltaLink': later } = page;
  const items = page.value.filter((item) => !item.isDraft && item['@removed'] === undefined);
  return {
    items: items.map(({ id, receivedDateTime, isRead, categories }) => ({
      ...{ id, isRead, categories },
      receivedAt: momentOf(receivedDateTime),
    })),
    // A page without any link begins again; what is known is not received twice.
    link: next ?? later ?? link,
    isLast: next === undefined,
  };
}

function momentOf(text: string | undefined): number | undefined {
  const at = Date.parse(text ?? '');
  return Number.isNaN(at) ? undefined : at;
}

/** Graph has forgotten what the link stands for: everything has to be listed again. */
export function isExpired(error: unknown): boolean {
  if (!(error instanceof GraphRefusal)) return false;
  const { status } = error.answer;
  return (
    status === 410 ||
    (status === 400 && /SyncState|ResyncRequired|DeltaToken|SkipToken/i.test(errorOf(error.answer).code))
  );
}
