// Writes mail files. Point of no return: the rename that gives the file its name. The name follows from the Message-ID, so
// writing the same mail again replaces the file that is still there and never makes a second one.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import {
  type Attempt,
  type ComposedMail,
  messageOf,
  type Outcome,
  type RecipientRejection,
  readWhatHasArrived,
} from '../../src/driver/contract.js';
import { hiddenRecipients } from '../../src/driver/shared/named-recipients.js';
import { draftOf, exists, syncFolder, writeWhole } from './files.js';

export interface Outbox {
  readonly folder: string;
  readonly envelopeHeaders: boolean;
}

export async function send(
  { folder, envelopeHeaders }: Outbox,
  mail: ComposedMail,
  attempt: Attempt,
): Promise<Outcome> {
  const refused = envelopeHeaders ? [] : hiddenRecipients(mail).map(rejectionOf);
  const refusedNames = new Set(refused.map(({ recipient }) => recipient));
  const accepted = mail.recipients.filter((recipient) => !refusedNames.has(recipient));
  if (accepted.length === 0)
    return { kind: 'rejected', detail: refused.map(({ recipient, detail }) => `${recipient}: ${detail}`).join('; ') };
  const path = pathOf(folder, mail);
  const written = await write(path, envelopeHeaders ? [envelopeLines(mail), mail.raw] : [mail.raw], attempt.signal);
  if (written) return written;
  await syncFolder(folder);
  const sent = { deliverySystemId: idOf(mail), detail: `written as ${path}` };
  return refused.length === 0 ? { kind: 'sent', ...sent } : { kind: 'partial', ...sent, accepted, refused };
}

/** Undefined when the file has its name; otherwise the outcome. A folder that hangs (network share) is not waited for. */
function write(path: string, bytes: readonly Uint8Array[], signal: AbortSignal): Promise<Outcome | undefined> {
  let finishing = false;
  const mayFinish = () => {
    finishing = !signal.aborted;
    return finishing;
  };
  const late = (): Outcome =>
    finishing
      ? { kind: 'unknown', detail: `${path} was being given its name when the deadline passed` }
      : { kind: 'deferred', detail: `${path} was not complete before the deadline` };
  return new Promise((resolve) => {
    const end = (outcome: Outcome | undefined) => {
      signal.removeEventListener('abort', abort);
      resolve(outcome);
    };
    // The rename may have finished while the process stood still.
    const abort = () => void readWhatHasArrived().then(() => end(late()));
    if (signal.aborted) return end(late());
    signal.addEventListener('abort', abort, { once: true });
    writeWhole(path, bytes, mayFinish).then(
      (done) => end(done ? undefined : late()),
      (error) => end({ kind: 'deferred', detail: `cannot write ${path}: ${messageOf(error)}` }),
    );
  });
}

/** A finished file was sent; a draft was not; without either, a pickup service may have removed the file. */
export async function lookup({ folder }: Outbox, mail: ComposedMail): Promise<Outcome | 'not found'> {
  const path = pathOf(folder, mail);
  if (await exists(path)) return { kind: 'sent', deliverySystemId: idOf(mail), detail: `found as ${path}` };
  if (await exists(draftOf(path))) return 'not found';
  return { kind: 'unknown', detail: `${path} does not exist: either never written, or already picked up` };
}

function idOf({ messageId }: ComposedMail): string {
  return messageId.replace(/^<|>$/g, '');
}

/** Readable, and different for every Message-ID whatever its characters. */
export function pathOf(folder: string, mail: ComposedMail): string {
  const id = idOf(mail);
  const readable = id
    .replace(/[^A-Za-z0-9@._-]/g, '_')
    .replace(/^\.+/, '_')
    .slice(0, 80);
  const exact = createHash('sha256').update(id).digest('hex').slice(0, 12);
  return join(folder, `${readable}-${exact}.eml`);
}

function envelopeLines({ from, recipients }: ComposedMail): Buffer {
  const clean = (address: string) => address.replace(/[\r\n]/g, '');
  const lines = [`X-Sender: ${clean(from)}`, ...recipients.map((recipient) => `X-Receiver: ${clean(recipient)}`), ''];
  return Buffer.from(lines.join('\r\n'));
}

function rejectionOf(recipient: string): RecipientRejection {
  const detail = 'the header of a mail file does not name this Bcc recipient; set EnvelopeHeaders to true';
  return { recipient, temporary: false, detail };
}
