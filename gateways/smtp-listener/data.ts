// The way of one mail from the DATA command to the reply.
import type { SMTPServerDataStream, SMTPServerSession } from 'smtp-server';
import type { GatewayContext } from '../../src/driver/contract.js';
import { digestOf, isUnique } from './keys.js';
import { receivedLine } from './received.js';
import { reply, TOO_LARGE } from './replies.js';
import type { SmtpListenerSettings } from './settings.js';
import type { Submissions, Verdict } from './submissions.js';

/** A client that goes on sending is cut off at this many times the largest mail. */
const CUT_OFF_FACTOR = 2;
/** Bytes of all mails together that are being received or queued; two of the largest always fit. */
const MEMORY_BYTES = 64 * 1024 * 1024;

export interface DataLimits {
  readonly settings: SmtpListenerSettings;
  readonly submissions: Submissions;
  /** Bytes being received on all connections together. */
  readonly counter: { receiving: number };
  /** Ends a connection that does not stop sending. */
  cut(): void;
}

/** The whole mail, or the reply instead of it. Never resolves with half a mail, also when the connection breaks. */
export function receiveData(
  stream: SMTPServerDataStream,
  gone: AbortSignal,
  limits: DataLimits,
): Promise<Buffer | Error> {
  const buffer = boundedBuffer(limits);
  return new Promise((resolve) => {
    const finish = (result: Buffer | Error) => {
      gone.removeEventListener('abort', leave);
      buffer.release();
      resolve(result);
    };
    const leave = () => finish(reply(451, 'the client has disconnected'));
    stream.on('data', (chunk: Buffer) => buffer.add(chunk));
    stream.once('end', () => finish(buffer.result()));
    gone.addEventListener('abort', leave, { once: true });
  });
}

function boundedBuffer({ settings, submissions, counter, cut }: DataLimits) {
  const { MaxMessageBytes } = settings;
  const limit = Math.max(MEMORY_BYTES, 2 * MaxMessageBytes);
  let chunks: Buffer[] = [];
  let buffered = 0;
  let size = 0;
  let rejection: Error | undefined;
  const release = () => {
    counter.receiving -= buffered;
    buffered = 0;
    chunks = [];
  };
  const add = (chunk: Buffer) => {
    size += chunk.length;
    if (size > CUT_OFF_FACTOR * MaxMessageBytes) return cut();
    if (rejection) return;
    if (size > MaxMessageBytes) rejection = reply(552, TOO_LARGE);
    else if (submissions.queuedBytes + counter.receiving + chunk.length > limit)
      rejection = reply(451, 'busy, try again later');
    if (rejection) return release();
    chunks.push(chunk);
    buffered += chunk.length;
    counter.receiving += chunk.length;
  };
  return { add, release, result: () => rejection ?? Buffer.concat(chunks) };
}

/** Hands the mail over and waits for the verdict. Resolves with the text of the 250, or with another reply. */
export async function submit(
  mail: Buffer,
  session: SMTPServerSession,
  gone: AbortSignal,
  { settings, clock }: Pick<GatewayContext<SmtpListenerSettings>, 'settings' | 'clock'>,
  submissions: Submissions,
): Promise<string | Error> {
  const { mailFrom, rcptTo } = session.envelope;
  const envelope = { from: mailFrom ? mailFrom.address : '', recipients: rcptTo.map(({ address }) => address) };
  const digest = digestOf(envelope.from, envelope.recipients, mail);
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
  const content = { kind: 'mail' as const, raw: Buffer.concat([line, mail]), receivedAt, envelope };
  return replyTo(await submissions.submit({ content, digest, unique: isUnique(mail), gone }), id);
}

function replyTo(verdict: Verdict, id: string): string | Error {
  if (verdict.kind === 'accepted') return `OK: accepted as ${id}`;
  return verdict.kind === 'deferred'
    ? reply(451, `try again later: ${verdict.reason}`)
    : reply(554, `rejected: ${verdict.reason}`);
}
