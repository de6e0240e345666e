// The one error type for failures that operators read. What a counterparty may normally answer is a value (see
// Outcome), not an error.
export interface ErrorDetails {
  /** What the reader can do about it, one sentence. */
  advice?: string;
  cause?: unknown;
}

/**
 * A failure that an operator reads: what failed and why; `advice` says what to do next.
 * `code` is stable and for programs: `area` or `area/what`, for example `config/invalid`, `server/login-refused`.
 */
export class GatepostError extends Error {
  readonly code: string;
  readonly advice: string | undefined;

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'GatepostError';
    this.code = code;
    this.advice = details.advice;
  }
}

/** The sentence of anything thrown, never empty. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    const inner = error.errors.map(messageOf).join('; ');
    return error.message ? `${error.message}: ${inner}` : inner;
  }
  if (error instanceof Error) return error.message || error.name;
  return String(error);
}

/** System and library error codes (`ECONNREFUSED`, `EAUTH`, ...), '' when there is none. */
export function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return String(error.code);
}
