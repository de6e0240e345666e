/** A server may ask for any pause; a longer one than this would stop a gateway on one odd answer. Ms. */
export const MAX_RETRY_AFTER_MS = 3_600_000;

/** The header Retry-After (RFC 9110 10.2.3), seconds or an HTTP date, as ms from `now`; undefined when it says nothing usable. */
export function retryAfterMs(value: string | null | undefined, now: number): number | undefined {
  const text = value?.trim() ?? '';
  if (text === '') return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - now;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS);
}
