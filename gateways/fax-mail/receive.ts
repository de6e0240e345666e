// Owns receiving: each mail of the mailbox becomes the fax it holds. One with several faxes becomes several messages, of
// which the last has the mail's own key and is handed over after the others, so that a mail counts as taken when all are.
import {
  type FaxDocument,
  type GatewayContext,
  type InboundMessage,
  type InboundState,
  messageOf,
  type RawMail,
  raceSignal,
} from '../../src/driver/contract.js';
import { tell } from './extract.js';
import { type FaxFile, type OpenedMail, openMail } from './open-mail.js';
import { pageOf } from './page.js';
import { noticeIn } from './result-mail.js';
import { type FaxMailSettings, rulesOf } from './settings.js';

type Context = GatewayContext<FaxMailSettings>;

export async function* unpack(
  mails: AsyncIterable<InboundMessage>,
  context: Context,
  signal: AbortSignal,
): AsyncGenerator<InboundMessage<FaxDocument>> {
  for await (const mail of mails) {
    if (mail.content) yield* faxesOf({ ...mail, content: mail.content }, context, signal);
    else yield { ...mail, content: null };
  }
}

type InboundMail = Omit<InboundMessage, 'content'> & { content: RawMail };

async function* faxesOf(
  mail: InboundMail,
  context: Context,
  signal: AbortSignal,
): AsyncGenerator<InboundMessage<FaxDocument>> {
  const opened = await openMail(mail.content);
  if (await wasNotice(mail, opened, context)) return;
  const describe = describer(mail.content, opened, context.settings);
  const [last = await pageFor(opened, mail.content), ...before] = [...opened.documents].reverse();
  const others = before.reverse();
  if (others.length > 0) yield* siblings(mail, others, describe, context, signal);
  if (signal.aborted) return;
  yield { ...mail, content: describe(last, others.length + 1) };
}

/** True when the mail told how a fax of ours ended; then that is in the journal, and nothing else is to be done with it. */
async function wasNotice(mail: InboundMail, opened: OpenedMail, context: Context): Promise<boolean> {
  const { Results } = context.settings;
  const words = { delivered: Results?.Delivered ?? [], failed: Results?.Failed ?? [] };
  const notice = noticeIn(context.gateway.id, mail.content, opened, words);
  if (!notice) return false;
  await context.reportReceipts([notice.receipts]);
  if (!notice.final) return false;
  await context.driverState.skip([{ key: mail.key, fingerprint: mail.fingerprint }]);
  await mail
    .confirm()
    .catch((error) =>
      context.log.warn({ key: mail.key, error: messageOf(error) }, 'a mail with a result could not be marked as read'),
    );
  return true;
}

/** Faxes that share a mail with others, under keys of their own. Ends when each is taken, or whole in quarantine. */
async function* siblings(
  mail: InboundMail,
  files: readonly FaxFile[],
  describe: Describe,
  { driverState }: Context,
  signal: AbortSignal,
): AsyncGenerator<InboundMessage<FaxDocument>> {
  const keys = files.map((_, at) => `${mail.key};FAX=${at + 1}`);
  const known = await driverState.statesOf(keys);
  const settled: Promise<void>[] = [];
  for (const [at, file] of files.entries()) {
    const key = keys[at] ?? '';
    const state = known.get(key);
    if (isOver(state)) continue;
    let done = () => {};
    settled.push(new Promise((resolve) => (done = resolve)));
    const verdict = async () => done();
    const content = state === 'acknowledged' ? null : describe(file, at + 1);
    yield { key, fingerprint: '', content, bytes: file.bytes.byteLength, confirm: verdict, reject: verdict };
  }
  await raceSignal(Promise.all(settled), signal, 'waiting for the other faxes of a mail').catch((error) => {
    if (!signal.aborted) throw error;
  });
}

const isOver = (state: InboundState | undefined) =>
  state === 'confirmed' || state === 'skipped' || state === 'quarantined';

type Describe = (file: FaxFile, number: number) => FaxDocument;

function describer(raw: RawMail, opened: OpenedMail, settings: FaxMailSettings): Describe {
  const believed = isBelieved(opened.from, settings.Senders);
  const told = tell(opened, believed ? rulesOf(settings) : []);
  const { from, to, station, name, id, pages, expected, problem } = told.fields;
  const several = opened.documents.length > 1;
  const origin = [`It came by mail from ${opened.from || 'an unknown sender'}.`, ...opened.notes];
  const doubts = believed
    ? []
    : ['The mail is not from one of the Senders, so what it says of the caller was not read.'];
  const missing = opened.documents.length === 0 ? ['The mail held no fax: the page shows its text.'] : [];
  return ({ bytes }, number) => ({
    kind: 'fax',
    raw: bytes,
    from: from ?? null,
    to: to ?? null,
    station: station ?? null,
    callerName: name ?? null,
    providerId: id ?? null,
    receivedAt: raw.receivedAt,
    // The count is of the whole mail; of one of several faxes nobody knows it.
    pages: several || missing.length > 0 ? null : numberOf(pages),
    expectedPages: several ? null : numberOf(expected),
    problem: problem ?? null,
    facts: told.facts,
    notes: [
      ...missing,
      ...doubts,
      ...origin,
      ...(several ? [`It is fax ${number} of ${opened.documents.length} in that mail.`] : []),
    ],
  });
}

const numberOf = (digits: string | undefined) => (digits === undefined ? null : Number(digits));

function isBelieved(from: string, senders: readonly string[] | undefined): boolean {
  return !senders || senders.some((sender) => from === sender.toLowerCase() || isIn(from, sender.toLowerCase()));
}

const isIn = (from: string, domain: string) => domain.startsWith('@') && from.endsWith(domain);

async function pageFor(opened: OpenedMail, { receivedAt }: RawMail): Promise<FaxFile> {
  return { name: 'mail.pdf', kind: 'pdf', bytes: await pageOf(opened, receivedAt) };
}
