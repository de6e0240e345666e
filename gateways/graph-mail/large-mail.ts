// A mail that is too large for one request: a draft of all but its large attachments, then these one by one, then "send".
// Until the request to send is written, nothing has gone out.
import { z } from '../../src/driver/settings.js';
import { type Api, type ApiAnswer, extract, GraphRefusal, isSuccess } from './api.js';
import { pathOf } from './messages.js';
import { splitMail, type TakenAttachment } from './split-mail.js';

/** Largest MIME text that fits into one request of 4 MB in base64. */
export const MAX_AT_ONCE = 3_000_000;
/** Attachments below this go in one request each; an upload session wants larger ones. */
const MIN_SESSION_BYTES = 3 * 1024 * 1024;
/** Bytes per upload, a multiple of 320 KiB below 4 MB. */
const CHUNK = 10 * 320 * 1024;
const draftSchema = z.object({ id: z.string().min(1), internetMessageId: z.string().optional() });
const sessionSchema = z.object({ uploadUrl: z.url({ protocol: /^https?$/ }) });

export interface Draft {
  readonly id: string;
  /** The point of no return. */
  send(signal: AbortSignal): Promise<ApiAnswer>;
  remove(signal: AbortSignal): Promise<void>;
}

/** Undefined when the mail cannot be divided. Rejects when Graph does not take it; nothing has gone out then. */
export async function makeDraft(
  api: Api,
  raw: Buffer,
  messageId: string,
  signal: AbortSignal,
): Promise<Draft | undefined> {
  const split = splitMail(raw, MAX_AT_ONCE);
  if (!split) return undefined;
  const text = split.rest.toString('base64');
  const made = extract(draftSchema, await api.need({ method: 'POST', path: '/messages', text }, signal));
  const path = pathOf(made.id);
  const draft: Draft = {
    id: made.id,
    send: (signal) => api.request({ method: 'POST', path: `${path}/send` }, signal),
    remove: async (signal) => void (await api.request({ method: 'DELETE', path, once: false }, signal)),
  };
  try {
    if (made.internetMessageId !== messageId)
      await api.need({ method: 'PATCH', path, json: { internetMessageId: messageId }, once: false }, signal);
    for (const attachment of split.attachments) await attach(api, path, attachment, signal);
    return draft;
  } catch (error) {
    throw new DraftFailure(draft, error);
  }
}

/** The draft is still there. */
export class DraftFailure extends Error {
  override readonly name = 'DraftFailure';
  readonly draft: Draft;
  constructor(draft: Draft, cause: unknown) {
    super('the draft cannot be completed', { cause });
    this.draft = draft;
  }
}

async function attach(api: Api, path: string, attachment: TakenAttachment, signal: AbortSignal): Promise<void> {
  const { name, type: contentType, contentId, content } = attachment;
  if (content.length < MIN_SESSION_BYTES) {
    const type = '#microsoft.graph.fileAttachment';
    const json = { '@odata.type': type, name, contentType, contentId, contentBytes: content.toString('base64') };
    await api.need({ method: 'POST', path: `${path}/attachments`, json }, signal);
    return;
  }
  const AttachmentItem = { attachmentType: 'file', name, contentType, contentId, size: content.length };
  const request = {
    method: 'POST',
    path: `${path}/attachments/createUploadSession`,
    json: { AttachmentItem },
  } as const;
  const { uploadUrl } = extract(sessionSchema, await api.need(request, signal));
  const url = new URL(uploadUrl);
  for (let start = 0; start < content.length; start += CHUNK) {
    const body = content.subarray(start, start + CHUNK);
    const range = `bytes ${start}-${start + body.length - 1}/${content.length}`;
    const headers = { 'content-range': range, 'content-type': 'application/octet-stream' };
    const answer = await api.plain({ method: 'PUT', url, body, headers }, signal);
    if (!isSuccess(answer)) throw new GraphRefusal(answer);
  }
}
