// libmime has large tables of charsets and types, which most mails do not need: it is loaded at its first use. The reader of the
// service loads it at its start.
import { createRequire } from 'node:module';
import type libmimeLibrary from 'libmime';

const require = createRequire(import.meta.url);

let loaded: typeof libmimeLibrary | undefined;

/** Asking Node again for a module that is loaded costs three looks at the disk. */
export function libmime(): typeof libmimeLibrary {
  loaded ??= require('libmime') as typeof libmimeLibrary;
  return loaded;
}
