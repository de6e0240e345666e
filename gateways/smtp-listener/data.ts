// The way of one mail from the DATA command to the reply.
import type { Hash } from 'node:crypto';
import type { SMTPServerSession } from 'smtp-server';
import { codeOf, type GatewayContext } from '../../src/driver/contract.js';
import { digestOver, type Envelope, HEAD_BYTES, isUnique } from './keys.js';
import { receivedLine } from './received.js';
import { BUSY, FULL, LOCAL_ERROR, reply, TOO_LARGE } from './replies.js';
import type { SmtpListenerSettings } from './settings.js';
import type { Spool, SpoolFile } from './spool-file.js';
import type { Submissions, Verdict } from './submissions.js';

/** A client that goes on sending is cut off at this many times the largest mail. */
const CUT_OFF_FACTOR = 2;

export interface Receiving {
  readonly settings: SmtpListenerSettings;
  readonly spool: Spool;
  /** Counts bytes, for the least rate. */
  sent(bytes: number): void;
  /** Ends a connection that does not stop sending. */
  cut(): void;
}

export interface StoredMail {
  readonly file: SpoolFile;
  readonly digest: string;
}

export function envelopeOf({ envelope: { mailFrom, rcptTo } }: SMTPServerSession): Envelope {
  return { from: mailFrom ? mailFrom.address : '', recipients: rcptTo.map(({ address }) => address) };
}

/** The whole mail, or the reply instead of it, and then nothing of it is stored. Never resolves with half a mail. */
export async function receiveData(
  stream: AsyncIterable<Buffer>,
  envelope: Envelope,
  receiving: Receiving,
): Promise<StoredMail | Error> {
  const file = receiving.spool.open();
  const intake: Intake = { file, hash: digestOver(envelope), size: 0, rejection: undefined };
  try {
    // The next piece is read when this one is stored: a slow disk slows the client down.
    for await (const piece of stream) await take(piece, intake, receiving);
  } catch {
    intake.rejection = reply(451, 'the client has disconnected');
  }
  if (!intake.rejection) return { file, digest: intake.hash.digest('hex') };
  await file.discard();
  return intake.rejection;
}

interface Intake {
  readonly file: SpoolFile;
  readonly hash: Hash;
  size: number;
  /** Once set, the rest of the mail is read and forgotten. */
  rejection: Error | undefined;
}

async function take(piece: Buffer, intake: Intake, { settings, spool, sent, cut }: Receiving): Promise<void> {
  sent(piece.length);
  intake.size += piece.length;
  if (intake.size > CUT_OFF_FACTOR * settings.MaxMessageBytes) cut();
  if (intake.rejection) return;
  const room = Math.max(settings.MaxQueuedBytes, 2 * settings.MaxMessageBytes) - spool.bytes;
  // Also of a connection that is cut: the rest of this mail may be in the buffer already, and it must not pass for the whole.
  if (intake.size > settings.MaxMessageBytes) intake.rejection = reply(552, TOO_LARGE);
  else if (piece.length > room) intake.rejection = reply(451, BUSY);
  else intake.rejection = await store(piece, intake);
  if (intake.rejection) await intake.file.discard();
}

async function store(piece: Buffer, { file, hash }: Intake): Promise<Error | undefined> {
  hash.update(piece);
  try {
    await file.add(piece);
    return undefined;
  } catch (error) {
    return ['ENOSPC', 'EDQUOT'].includes(codeOf(error)) ? reply(452, FULL) : reply(451, LOCAL_ERROR);
  }
}

/** Hands the mail over and waits for the verdict. Resolves with the text of the 250, or with another reply. */
export async function submit(
  { file, digest }: StoredMail,
  session: SMTPServerSession,
  gone: AbortSignal,
  { settings, clock }: Pick<GatewayContext<SmtpListenerSettings>, 'settings' | 'clock'>,
  submissions: Submissions,
): Promise<string | Error> {
  const envelope = envelopeOf(session);
  const id = digest.slice(0, 16);
  const receivedAt = clock.now();
  const line = receivedLine({
    helo: session.hostNameAppearsAs,
    clientAddress: session.remoteAddress,
    protocol: session.transmissionType,
    by: settings.Name,
    id,
    recipients: envelope.recipients,
    at: receivedAt,
  });
  try {
    const unique = isUnique(await file.start(HEAD_BYTES));
    return replyTo(await submissions.submit({ file, line, receivedAt, envelope, digest, unique, gone }), id);
  } catch {
    return reply(451, LOCAL_ERROR);
  }
}

function replyTo(verdict: Verdict, id: string): string | Error {
  if (verdict.kind === 'accepted') return `OK: accepted as ${id}`;
  return verdict.kind === 'deferred'
    ? reply(451, `try again later: ${verdict.reason}`)
    : reply(554, `rejected: ${verdict.reason}`);
}
