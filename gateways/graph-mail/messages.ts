// The inbound messages of the folder, and what confirming and rejecting one does to its mail. A mail that is gone by then needs
// nothing: somebody has deleted it.
import type { InboundMessage, RawMail } from '../../src/driver/contract.js';
import { z } from '../../src/driver/settings.js';
import { type ApiRequest, extract, GraphRefusal, isSuccess } from './api.js';
import type { Item } from './delta.js';
import type { Session } from './session.js';

/** `content` is null for a mail whose acknowledgement is in the journal already. */
export function inboundMessageOf(
  session: Session,
  { id }: Item,
  content: RawMail | null,
  settle: () => void,
): InboundMessage {
  const isCut = content?.cut !== undefined;
  return {
    key: id,
    fingerprint: '',
    content,
    bytes: content?.raw.byteLength ?? 0,
    confirm: once(async () => {
      await afterReceive(session, id, { isCut, isRepeat: content === null });
      settle();
    }),
    reject: onceFor(async (reason) => {
      await change(session, id, { method: 'PATCH', path: '', json: { flag: { flagStatus: 'flagged' } } });
      session.context.log.info({ message_key: id, reason, done: 'flagged' }, 'mail rejected');
      settle();
    }),
  };
}

/** Shares a running call and its success; a failure is forgotten. */
function once(work: () => Promise<void>): () => Promise<void> {
  return onceFor<undefined>(work).bind(undefined, undefined);
}

function onceFor<T>(work: (argument: T) => Promise<void>): (argument: T) => Promise<void> {
  let done: Promise<void> | undefined;
  return (argument) => {
    done ??= work(argument).catch((error: unknown) => {
      done = undefined;
      throw error;
    });
    return done;
  };
}

interface Circumstances {
  /** Only the beginning was received: the mail is not deleted. */
  readonly isCut: boolean;
  /** An earlier process may have confirmed it. */
  readonly isRepeat: boolean;
}

async function afterReceive(session: Session, id: string, { isCut, isRepeat }: Circumstances): Promise<void> {
  const { AfterReceive, Category } = session.context.settings;
  switch (AfterReceive) {
    case 'Keep':
      return;
    case 'Read':
      return change(session, id, { method: 'PATCH', path: '', json: { isRead: true } });
    case 'Category':
      return addCategory(session, id, Category);
    case 'Move':
      if (isRepeat && (await parentOf(session, id)) === session.moveTo) return;
      return change(session, id, { method: 'POST', path: '/move', json: { destinationId: session.moveTo } });
    case 'Delete':
      if (isRepeat) return deleteUnlessLarge(session, id);
      if (isCut) return flagLarge(session, id);
      return change(session, id, { method: 'DELETE', path: '' });
  }
}

const flagLarge = (session: Session, id: string) =>
  change(session, id, { method: 'PATCH', path: '', json: { isRead: true, flag: { flagStatus: 'flagged' } } });

/** PidTagMessageSize, in bytes. */
const SIZE = 'Long 0x0E08';
const sizeSchema = z.object({
  singleValueExtendedProperties: z.array(z.object({ value: z.coerce.number() })).min(1),
});

/** Whether the mail was received whole is known by its size only; deleting cannot be undone, so an unknown one is too large. */
async function deleteUnlessLarge(session: Session, id: string): Promise<void> {
  const query = `$select=id&$expand=singleValueExtendedProperties($filter=${encodeURIComponent(`id eq '${SIZE}'`)})`;
  const found = await look(session, id, `?${query}`);
  if (!found) return;
  const parsed = sizeSchema.safeParse(found.body);
  const size = parsed.success ? parsed.data.singleValueExtendedProperties[0]?.value : undefined;
  if (size === undefined || size > session.context.settings.MaxMessageBytes) return flagLarge(session, id);
  return change(session, id, { method: 'DELETE', path: '' });
}

const categoriesSchema = z.object({ '@odata.etag': z.string().optional(), categories: z.array(z.string()).catch([]) });
/** Somebody else may change the mail between reading and writing its categories. */
const MAX_TRIES = 4;

async function addCategory(session: Session, id: string, category: string): Promise<void> {
  for (let left = MAX_TRIES; ; left--) {
    const answer = await look(session, id, '?$select=categories');
    if (!answer) return;
    const { categories, '@odata.etag': etag } = extract(categoriesSchema, answer);
    if (categories.includes(category)) return;
    const json = { categories: [...categories, category] };
    const headers = etag === undefined ? {} : { 'if-match': etag };
    try {
      return await change(session, id, { method: 'PATCH', path: '', json, headers });
    } catch (error) {
      if (!(error instanceof GraphRefusal && [409, 412].includes(error.answer.status)) || left <= 1) throw error;
    }
  }
}

const parentSchema = z.object({ parentFolderId: z.string() });

async function parentOf(session: Session, id: string): Promise<string | undefined> {
  const answer = await look(session, id, '?$select=parentFolderId');
  return answer && extract(parentSchema, answer).parentFolderId;
}

/** Undefined when the mail is gone. */
async function look({ api, closed }: Session, id: string, rest: string) {
  const answer = await api.request({ method: 'GET', path: pathOf(id) + rest }, closed);
  if (answer.status === 404) return undefined;
  if (!isSuccess(answer)) throw new GraphRefusal(answer);
  return answer;
}

async function change({ api, closed }: Session, id: string, request: ApiRequest): Promise<void> {
  const answer = await api.request({ ...request, path: pathOf(id) + request.path, once: false }, closed);
  if (answer.status !== 404 && !isSuccess(answer)) throw new GraphRefusal(answer);
}

export function pathOf(id: string): string {
  return `/messages/${encodeURIComponent(id)}`;
}
