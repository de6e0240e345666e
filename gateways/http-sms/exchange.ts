// Owns one request and its answer on the wire.
// Point of no return: nothing of the request leaves before the connection stands, TLS included. From its first byte on
// the gateway may have taken the message, and only its answer tells.
// Every request has a connection of its own: on one kept open, a gateway that hangs up just then would leave it
// uncertain whether it took the message.
import { type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { codeOf, messageOf } from '../../src/driver/contract.js';
import type { SendRequest } from './request.js';

/** An answer is an id or an error, a few hundred bytes; more is a wrong address. */
const MAX_ANSWER = 256 * 1024;
const MAX_HEADERS = 32 * 1024;

export interface Answer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** False when it broke off or was too long: `text` is its beginning. */
  readonly whole: boolean;
}

export type Exchange =
  | { readonly kind: 'answered'; readonly answer: Answer }
  | { readonly kind: 'not sent'; readonly detail: string }
  | { readonly kind: 'no answer'; readonly detail: string };

/** Never rejects. Ends as soon as `signal` aborts. */
export function exchange(sent: SendRequest, ca: string | undefined, signal: AbortSignal): Promise<Exchange> {
  if (signal.aborted) return Promise.resolve({ kind: 'not sent', detail: `not sent: ${messageOf(signal.reason)}` });
  return new Promise((resolve) => {
    let begun = false;
    let answering = false;
    const secure = sent.url.protocol === 'https:';
    const options = {
      method: sent.method,
      headers: sent.headers,
      agent: false as const,
      maxHeaderSize: MAX_HEADERS,
      ...(secure && ca ? { ca } : {}),
    };
    const request = (secure ? tlsRequest : plainRequest)(sent.url, options);
    const onAbort = () => request.destroy(new Error(messageOf(signal.reason)));
    const settle = (result: Exchange) => {
      signal.removeEventListener('abort', onAbort);
      resolve(result);
    };
    // Once the status has come, it counts, however the rest of the answer ends.
    const fail = (error: unknown) => {
      if (!answering) settle({ kind: begun ? 'no answer' : 'not sent', detail: wordsOf(error, sent.url.host) });
    };
    signal.addEventListener('abort', onAbort, { once: true });
    request.on('socket', (socket) =>
      socket.once(secure ? 'secureConnect' : 'connect', () => {
        begun = true;
        request.end(sent.body);
      }),
    );
    request.on('response', (response) => {
      answering = true;
      void readAnswer(response).then((answer) => settle({ kind: 'answered', answer }));
    });
    request.on('error', fail);
    // A gateway that hangs up in an odd way ends here, so that the promise settles whatever happens.
    request.on('close', () => fail(new Error('it hung up')));
  });
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response) {
      const bytes = Buffer.from(chunk);
      size += bytes.length;
      if (size > MAX_ANSWER) break;
      chunks.push(bytes);
    }
  } catch {
    // The status has come; what is missing of the body is said by `whole`.
  }
  response.destroy();
  const headers = Object.entries(response.headers).map(([name, value]) => [name, [value ?? []].flat().join(', ')]);
  return {
    status: response.statusCode ?? 0,
    headers: Object.fromEntries(headers),
    text: Buffer.concat(chunks).toString('utf8'),
    whole: response.complete && size <= MAX_ANSWER,
  };
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: 'the name is unknown',
  EAI_AGAIN: 'the name service does not answer',
  ETIMEDOUT: 'it does not answer',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no way to it',
  ECONNRESET: 'it broke the connection',
};

/** Without the address: it may hold a password. */
export function wordsOf(error: unknown, host: string): string {
  return `${host}: ${REASONS[codeOf(error)] ?? messageOf(error)}`;
}
