// The texts are fixed: nothing of this machine, its files or its errors is for strangers to read.
export const TOO_LARGE = 'the mail is larger than this server accepts';
export const BUSY = 'busy, try again later';
export const FULL = 'insufficient storage, try again later';
export const LOCAL_ERROR = 'local error in processing, try again later';

/** A negative reply, in the form that smtp-server sends. */
export function reply(responseCode: number, text: string): Error {
  return Object.assign(new Error(text), { responseCode });
}
