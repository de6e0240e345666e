// The document of a received fax. Its address is valid for ten minutes; a new one is requested by the id of the fax.
import { deadline, messageOf } from '../../src/driver/contract.js';
import { downloadMedia, isLoopback, isMediaGone, mediaGone } from '../../src/driver/shared/media-download.js';
import type { Api } from './api.js';
import { type Fax, fetchFax } from './faxes.js';
import { keyOf } from './inbound.js';
import type { Session } from './session.js';

/** Telnyx takes faxes of up to 50 MB; a PDF of pages in black and white is far below. */
const MAX_BYTES = 50_000_000;
/** Stores redirect a reader once, if at all. */
const MAX_REDIRECTS = 3;

/** Concurrent calls for one document share one download. Rejects; see `isMediaGone`. */
export function fetchDocument(session: Session, fax: Fax, ms: number, signal: AbortSignal): Promise<Buffer> {
  const { fetching } = session;
  const running = fetching.get(fax.id);
  if (running) return running;
  const started = fetchInTime(session, fax, ms, signal).finally(() => fetching.delete(fax.id));
  fetching.set(fax.id, started);
  return started;
}

async function fetchInTime(session: Session, fax: Fax, ms: number, signal: AbortSignal): Promise<Buffer> {
  const due = deadline(session.context.clock, ms, signal);
  try {
    const known = await firstAvailable(session, fax, due.signal);
    return known ?? (await refreshed(session, fax, due.signal));
  } finally {
    due.dispose();
  }
}

/** Undefined when none of the addresses is valid any more. */
async function firstAvailable(
  { api, context }: Session,
  { id, urls }: Fax,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  for (const url of urls) {
    try {
      return await download(api, context.settings.ApiKey, url, signal);
    } catch (error) {
      if (!isMediaGone(error)) throw error;
      context.log.debug({ message_key: keyOf(id), err: messageOf(error) }, 'document address is not valid');
    }
  }
  return undefined;
}

/** The API key goes to the host of the API only. */
export async function download(
  { http, home }: Pick<Api, 'http' | 'home'>,
  key: string,
  address: string,
  signal: AbortSignal,
): Promise<Buffer> {
  const isHome = (url: URL) => url.origin === home.origin;
  // A test server on this very machine, named by the administrator, is trusted.
  const isLocalTest = (url: URL) => [home, url].every((one) => one.protocol === 'http:' && isLoopback(one));
  const { bytes } = await downloadMedia(http, address, {
    trusts: (url) => isHome(url) || isLocalTest(url),
    headersFor: (url): Record<string, string> => (isHome(url) ? { authorization: `Bearer ${key}` } : {}),
    maxBytes: MAX_BYTES,
    maxRedirects: MAX_REDIRECTS,
    signal,
  });
  if (bytes.length === 0) throw mediaGone('it is empty');
  return bytes;
}

async function refreshed(session: Session, { id }: Fax, signal: AbortSignal): Promise<Buffer> {
  const { api } = session;
  // The fax itself shows whether this was refused: a fax without a document, or with a valid address, refuses too.
  await api.request({ method: 'POST', path: `/faxes/${id}/actions/refresh` }, signal);
  const fax = await fetchFax(api, id, signal);
  if (!fax) throw mediaGone('Telnyx has no such fax any more');
  if (fax.urls.length === 0) throw mediaGone('Telnyx names no address for it');
  const found = await firstAvailable(session, fax, signal);
  if (!found) throw mediaGone('it is not at the address that Telnyx names');
  return found;
}
