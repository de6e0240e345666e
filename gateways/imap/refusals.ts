// What a tagged NO or BAD says (RFC 3501, 7.1), and whose trouble it is.
import { codeOf, GatepostError } from '../../src/driver/contract.js';
import { serverAnswer, text } from './library-errors.js';

export interface Answer {
  readonly status: 'NO' | 'BAD';
  /** The response code (RFC 5530) in capitals, `UNAVAILABLE`; '' without one. */
  readonly code: string;
  /** The server's words, one line. */
  readonly words: string;
}

/** The server answered a command with NO or BAD; the connection goes on. */
export class Refused extends GatepostError {
  readonly answer: Answer;
  constructor(message: string, advice: string, answer: Answer, cause?: unknown) {
    super('gateway/refused', message, { advice, cause });
    this.answer = answer;
  }
}

/** Codes that speak of the server, the account or the load, never of one mail. */
const SERVER_CODES: ReadonlySet<string> = new Set([
  'UNAVAILABLE',
  'INUSE',
  'LIMIT',
  'THROTTLED',
  'CONTACTADMIN',
  'OVERQUOTA',
  'EXPIRED',
  'PRIVACYREQUIRED',
  'AUTHENTICATIONFAILED',
  'AUTHORIZATIONFAILED',
  'NOPERM',
]);

/** The same in the words of servers that send no code. */
const SERVER_WORDS =
  /\b(?:unavailable|try again|too many|rate limit|throttled|temporar(?:y|ily)|not connected|overloaded)\b/i;

/** True when the answer cannot concern a single mail. SERVERBUG is not among them: Dovecot says it of a damaged mail, too. */
export function isServersTrouble({ code, words }: Pick<Answer, 'code' | 'words'>): boolean {
  return SERVER_CODES.has(code) || (code === '' && SERVER_WORDS.test(words));
}

/** Codes of a login that was not refused for its password (RFC 5530). */
const LOGIN_LATER: ReadonlySet<string> = new Set(['UNAVAILABLE', 'INUSE', 'LIMIT', 'SERVERBUG', 'THROTTLED']);
const LOGIN_WORDS = /\b(?:unavailable|try again|too many|rate limit|throttled|temporar(?:y|ily)|in progress)\b/i;

/** True when the login may succeed later as it is. */
export function isTemporaryLogin({ code, words }: Pick<Answer, 'code' | 'words'>): boolean {
  if (code === 'AUTHENTICATIONFAILED' || code === 'EXPIRED') return false;
  return LOGIN_LATER.has(code) || LOGIN_WORDS.test(words);
}

/** The answer in an error of the library; undefined when the error is none. */
export function answerOf(error: unknown): Answer | undefined {
  const status = text(error, 'responseStatus').toUpperCase();
  if (status !== 'NO' && status !== 'BAD') return undefined;
  const code = (codeOf(error) === 'ETHROTTLE' ? 'THROTTLED' : responseCode(error)).toUpperCase();
  const words = serverAnswer(error);
  return { status, code, words: code === '' || words.toUpperCase().includes(code) ? words : `[${code}] ${words}` };
}

/** The answer to a login, of which the library does not always keep whether it was NO or BAD. */
export function loginAnswer(error: unknown): Answer {
  return { status: 'NO', code: responseCode(error).toUpperCase(), words: serverAnswer(error) };
}

/** As the library names it, or from the parsed answer where it does not. */
function responseCode(error: unknown): string {
  const named = text(error, 'serverResponseCode');
  if (named !== '') return named;
  const response: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'response') : undefined;
  const shape = response as { attributes?: { section?: ({ value?: unknown } | null)[] }[] } | undefined;
  const value = shape?.attributes?.[0]?.section?.[0]?.value;
  return typeof value === 'string' ? value : '';
}
