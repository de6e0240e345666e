export const TOO_LARGE = 'the mail is larger than this server accepts';

/** A negative reply, in the form that smtp-server sends. */
export function reply(responseCode: number, text: string): Error {
  return Object.assign(new Error(text), { responseCode });
}
