// Postfix's smtp-sink: a mail server that accepts everything as fast as it can. For measurements, and as an independent check
// of our SMTP.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { chown } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, freePort, run, untilPort } from './process.js';

export interface SmtpSink {
  readonly host: '127.0.0.1';
  readonly port: number;
  /** The mails accepted so far, each with the X-lines that smtp-sink puts in front; only with `keep`. */
  mails(): string[];
  close(): Promise<void>;
}

export interface SmtpSinkOptions {
  /** Writes every mail to a file of its own, for `mails()`. Leave it off when measuring. */
  keep?: boolean;
  /** Further arguments: `['-w', '1']` waits a second before answering DATA. */
  args?: readonly string[];
}

/** Why no smtp-sink can be started here; undefined when it can. */
export function whyNoSmtpSink(): string | undefined {
  return findProgram('smtp-sink') ? undefined : 'smtp-sink (package postfix) is not installed';
}

/** Uid of nobody on Debian: smtp-sink refuses to work as root. */
const NOBODY = 65_534;

export async function startSmtpSink(options: SmtpSinkOptions = {}): Promise<SmtpSink> {
  const dir = mkdtempSync(join(tmpdir(), 'gatepost-sink-'));
  const port = await freePort();
  const root = process.getuid?.() === 0;
  if (root) await chown(dir, NOBODY, NOBODY);
  const user = root ? ['-u', 'nobody'] : [];
  const keep = options.keep ? ['-d', '%M.'] : [];
  const program = findProgram('smtp-sink') ?? 'smtp-sink';
  const sink = run(program, [...user, ...keep, ...(options.args ?? []), `127.0.0.1:${port}`, '200'], { cwd: dir });
  await Promise.race([untilPort(port), sink.ended.then(() => Promise.reject(new Error(sink.output())))]);
  return {
    host: '127.0.0.1',
    port,
    mails: () => readdirSync(dir).map((name) => readFileSync(join(dir, name), 'latin1')),
    async close() {
      await sink.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
