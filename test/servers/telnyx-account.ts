// The state of the fake Telnyx: the faxes of one account, as the API shows them, the list with its filters and pages, and
// uploaded media.
import { randomBytes, randomUUID } from 'node:crypto';

export interface Fax {
  readonly id: string;
  readonly direction: 'inbound' | 'outbound';
  readonly from: string;
  readonly to: string;
  readonly connectionId: string;
  /** Ms since the epoch. */
  readonly createdAt: number;
  updatedAt: number;
  status: string;
  failureReason: string | null;
  pages: number | null;
  seconds: number | null;
  partial: boolean;
  readonly callerId: string | null;
  readonly clientState: string | null;
  readonly quality: string | null;
  readonly webhookUrl: string | null;
  readonly mediaName: string | null;
  readonly originalUrl: string | null;
  /** Of a received fax: what came; of a sent one: what Telnyx was given. */
  document: Buffer | null;
  /** Under which the document can be fetched until `expires`. */
  token: string;
  expires: number;
}

export type NewFax = Pick<Fax, 'direction' | 'from' | 'to' | 'connectionId' | 'createdAt' | 'status'> & Partial<Fax>;

export interface Account {
  readonly faxes: Fax[];
  readonly media: Map<string, Buffer>;
  add(fax: NewFax): Fax;
  find(id: string): Fax | undefined;
  /** The JSON of one fax, as lists and single answers show it. */
  show(fax: Fax): object;
  /** The JSON of one page of the list, for these query parameters. */
  list(query: URLSearchParams): object;
}

export const tokenOf = () => randomBytes(16).toString('hex');

export function accountOf(storeUrl: () => string): Account {
  const faxes: Fax[] = [];
  const addressOf = (fax: Fax) => `${storeUrl()}/${fax.token}.pdf?X-Amz-Expires=600&X-Amz-Signature=abc`;
  const show = (fax: Fax) => ({
    record_type: 'fax',
    id: fax.id,
    connection_id: fax.connectionId,
    direction: fax.direction,
    from: fax.from,
    to: fax.to,
    status: fax.status,
    quality: fax.quality ?? 'high',
    store_media: false,
    stored_media_url: null,
    preview_url: null,
    media_name: fax.mediaName,
    media_url: fax.direction === 'inbound' && fax.status === 'received' ? addressOf(fax) : fax.originalUrl,
    client_state: fax.clientState,
    webhook_url: fax.webhookUrl,
    failure_reason: fax.failureReason,
    internal_failure_reason: fax.failureReason,
    created_at: iso(fax.createdAt),
    updated_at: iso(fax.updatedAt),
  });
  return {
    faxes,
    media: new Map(),
    show,
    add(fax) {
      const rest = {
        failureReason: null,
        pages: null,
        seconds: null,
        partial: false,
        callerId: null,
        clientState: null,
      };
      const way = { quality: null, webhookUrl: null, mediaName: null, originalUrl: null, document: null };
      const place = { token: tokenOf(), expires: fax.createdAt + 600_000, updatedAt: fax.createdAt };
      const added: Fax = { id: randomUUID(), ...rest, ...way, ...place, ...fax };
      faxes.push(added);
      return added;
    },
    find: (id) => faxes.find((fax) => fax.id === id),
    list(query) {
      const all = faxes.filter((fax) => matches(fax, query)).sort((a, b) => b.createdAt - a.createdAt);
      const size = Math.min(250, Math.max(1, Number(query.get('page[size]')) || 20));
      const number = Math.max(1, Number(query.get('page[number]')) || 1);
      const meta = {
        page_number: number,
        page_size: size,
        total_pages: Math.ceil(all.length / size),
        total_results: all.length,
      };
      return { data: all.slice((number - 1) * size, number * size).map(show), meta };
    },
  };
}

/** Microseconds, as Telnyx writes them. */
export function iso(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}

function matches(fax: Fax, query: URLSearchParams): boolean {
  return [...query].every(([name, value]) => {
    if (name === 'filter[direction][eq]') return fax.direction === value;
    if (name === 'filter[from][eq]') return fax.from === value;
    if (name === 'filter[to][eq]') return fax.to === value;
    if (name === 'filter[created_at][gte]') return fax.createdAt >= Date.parse(value);
    if (name === 'filter[created_at][lte]') return fax.createdAt <= Date.parse(value);
    return true;
  });
}
