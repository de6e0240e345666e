// One send and its answer.
// Point of no return: the first byte of the request. Nothing leaves before the connection stands, TLS included; after it the
// gateway may have accepted the message, and only its answer decides.
import { type HttpClient, HttpFailure } from '../../src/driver/shared/http-client.js';
import type { SendRequest } from './request.js';

/** An answer is an id or an error, a few hundred bytes; more is a wrong address. */
const MAX_ANSWER = 256 * 1024;

export interface Answer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** False when the answer broke off or was too long: `text` is its beginning. */
  readonly whole: boolean;
}

export type Exchange =
  | { readonly kind: 'answered'; readonly answer: Answer }
  | { readonly kind: 'not sent'; readonly detail: string }
  | { readonly kind: 'no answer'; readonly detail: string };

/** Ends as soon as `signal` aborts. `once`: a send by GET is no question that could be repeated. */
export async function exchange(http: HttpClient, sent: SendRequest, signal: AbortSignal): Promise<Exchange> {
  try {
    const { status, headers, body, cut } = await http.request({ ...sent, maxBytes: MAX_ANSWER, signal, once: true });
    return { kind: 'answered', answer: { status, headers, text: body.toString('utf8'), whole: cut === null } };
  } catch (error) {
    if (!(error instanceof HttpFailure)) throw error;
    return { kind: error.written ? 'no answer' : 'not sent', detail: error.message };
  }
}
