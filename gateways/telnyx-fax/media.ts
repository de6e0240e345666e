// Owns getting hold of the document of a received fax: its address is good for ten minutes, so one that has passed is
// asked for afresh, by the id of the fax.
import { codeOf, deadline, GatepostError } from '../../src/driver/contract.js';
import { download, type Home } from './download.js';
import { type Fax, fetchFax } from './faxes.js';
import type { Session } from './session.js';

/** Two that want the same document share one download. Rejects; see `isLost`. */
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
    const known = await firstOf(session, fax, due.signal);
    return known ?? (await afresh(session, fax, due.signal));
  } finally {
    due.dispose();
  }
}

/** Undefined when none of its addresses is good any more. */
async function firstOf({ api, context }: Session, { urls }: Fax, signal: AbortSignal): Promise<Buffer | undefined> {
  const home: Home = { url: api.home, authorization: `Bearer ${context.settings.ApiKey}` };
  for (const url of urls) {
    try {
      return await download(url, home, signal);
    } catch (error) {
      if (!isLost(error)) throw error;
      context.log.debug({ error: String(error) }, 'an address of a document is not good any more');
    }
  }
  return undefined;
}

async function afresh(session: Session, { id }: Fax, signal: AbortSignal): Promise<Buffer> {
  const { api } = session;
  // Whether that was refused shows in the fax itself: one that has no document, or has one already, refuses too.
  await api.ask({ method: 'POST', path: `/faxes/${id}/actions/refresh` }, signal);
  const fax = await fetchFax(api, id, signal);
  if (!fax) throw new GatepostError('telnyx/gone', 'Telnyx has no such fax any more');
  if (fax.urls.length === 0) throw new GatepostError('telnyx/gone', 'Telnyx names no address for it');
  const found = await firstOf(session, fax, signal);
  if (!found) throw new GatepostError('telnyx/gone', 'Telnyx names an address at which it is not');
  return found;
}

/** True when the document is not where Telnyx says; anything else may pass. */
export function isLost(error: unknown): boolean {
  return codeOf(error) === 'telnyx/gone';
}
