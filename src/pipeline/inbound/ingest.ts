// From what the driver received to the row in the journal.
import { randomUUID } from 'node:crypto';
import { readNotice } from '../../content/notice.js';
import type { ReadMessage, ReadText } from '../../content/reader.js';
import type { InboundRecord } from '../../journal/types/inbound.js';
import type { Content, Notice } from '../../model/content.js';
import type { GatewayConfig } from '../gateways/config.js';
import { faxRulesOf } from '../gateways/fax-rules.js';
import type { InboundDeps } from '../gateways/gateway.js';
import { applyConsent, rulesOf } from '../gateways/text-rules.js';
import type { ReceivingMessage } from '../server/ack-tracker.js';
import { type Identity, idFromKey, openingOf, serverFieldsOf, stableIds } from './identity.js';
import type { InFlight } from './in-flight.js';
import { rawOf } from './spool-codec.js';
import { UNREAD, unreadOpening } from './unread.js';

export interface Ingested {
  record: InboundRecord;
  /** Null when the journal knows that nothing is to be handed over any more. */
  message: ReceivingMessage | null;
}

export interface Pushed {
  key: string;
  fingerprint: string;
  content: Content | Notice | null;
}

export interface Ingest {
  /** Reads the content and opens the message in the journal. */
  open(entry: InFlight, content: Content | Notice): Promise<Ingested>;
  /** Stores a message whose sender cannot wait, whole; after this the sender may be told that it was accepted. */
  spool(pushed: Pushed): Promise<void>;
}

/** A message is read once more when the journal turns out to have another identity for its key. A renumbering in between may make
 *  that happen twice. */
const MOST_READINGS = 3;

export function ingest(config: GatewayConfig, deps: InboundDeps): Ingest {
  const reading: Reading = {
    deps,
    gatewayId: config.info.Id,
    textRules: rulesOf(config),
    faxRules: faxRulesOf(config),
    linkDays: config.driver.linkDays?.(config.settings),
  };
  return {
    async open(entry, content) {
      for (let attempt = 1; attempt <= MOST_READINGS; attempt++) {
        const ingested = await openOnce(entry, content, reading);
        if (ingested) return ingested;
      }
      throw new Error(`inbound message ${entry.key} changes its identity while it is read`);
    },
    spool: (pushed) => spool(pushed, reading),
  };
}

interface Reading {
  deps: InboundDeps;
  gatewayId: string;
  textRules: ReturnType<typeof rulesOf>;
  faxRules: ReturnType<typeof faxRulesOf>;
  linkDays: number | undefined;
}

/** Null when the journal has another identity for the key: from now on the entry has that one. */
async function openOnce(entry: InFlight, content: Content | Notice, reading: Reading): Promise<Ingested | null> {
  const { deps, gatewayId } = reading;
  const { journal, clock } = deps;
  const found = await recordBeforeReading(entry, content, reading);
  if (found && found.state !== 'pending') return { record: found, message: null };
  const known = entry.identity ?? found;
  const identity = known ?? newIdentity(clock.now());
  if (mustStayUnread(entry.key, content, reading)) {
    const record = await quarantineUnread(entry.key, entry.handle.fingerprint, content, identity, reading);
    return { record, message: null };
  }
  const read = await readWith(identity, entry.key, content, { first: !known, quick: false }, reading);
  // The key may have changed while the content was read.
  const { key, handle } = entry;
  const opening = openingOf(gatewayId, { key, fingerprint: handle.fingerprint, bytes: handle.bytes }, read, {
    proposed: proposalOf(identity),
    serverFields: serverFieldsOf(read),
  });
  const record = await journal.open(opening);
  // A renumbering that the journal did before it opened the message did not find its row.
  if (entry.key !== key) await journal.rekey(gatewayId, [{ from: key, to: entry.key }]);
  if (record.state !== 'pending') return { record, message: null };
  entry.identity = proposalOf(record);
  if (record.requestId !== identity.requestId) return null;
  return { record, message: messageOf(gatewayId, record, read) };
}

function mustStayUnread(key: string, content: Content | Notice, { deps, gatewayId }: Reading): boolean {
  const how = isNoted(content) ? deps.crashes.howToRead({ gatewayId, key }) : 'whole';
  return how === 'unread' || (how === 'isolated' && content.kind === 'text');
}

/** A fax is read in a process of its own anyway; a notice is ours. */
function isNoted({ kind }: Content | Notice): boolean {
  return kind === 'mail' || kind === 'text';
}

async function quarantineUnread(
  key: string,
  fingerprint: string,
  content: Content | Notice,
  identity: Identity,
  { deps, gatewayId }: Reading,
): Promise<InboundRecord> {
  const { journal, crashes, log } = deps;
  const raw = rawOf(content);
  const opened = await journal.open(unreadOpening(gatewayId, { key, fingerprint }, raw, proposalOf(identity)));
  if (opened.state !== 'pending') return opened;
  const record = await journal.quarantine(opened.id, UNREAD, raw);
  crashes.quarantined({ gatewayId, key });
  log.error({ message_key: key, reason: UNREAD }, 'inbound message quarantined');
  return record;
}

/**
 * A driver asks for the states of its keys before it downloads, so a mail with content is nearly always new, and `open` says when it
 * is not: no need to ask again. A text is looked up, because its consent counts at the first reading only, and a fax, because
 * reading it twice takes long.
 */
async function recordBeforeReading(
  { key, identity }: InFlight,
  content: Content | Notice,
  { deps, gatewayId }: Reading,
): Promise<InboundRecord | undefined> {
  if (identity || content.kind === 'mail') return undefined;
  return (await deps.journal.recordsOf(gatewayId, [key])).get(key);
}

async function spool({ key, fingerprint, content }: Pushed, reading: Reading): Promise<void> {
  const { deps, gatewayId } = reading;
  const known = (await deps.journal.recordsOf(gatewayId, [key])).get(key);
  // A pending message is spooled all the same: before it is stored whole, its sender must not be told that it was accepted.
  if (!content || (known && known.state !== 'pending')) return;
  const raw = rawOf(content);
  const identity = known ?? newIdentity(deps.clock.now());
  if (mustStayUnread(key, content, reading))
    return void (await quarantineUnread(key, fingerprint, content, identity, reading));
  // Reading a fax takes longer than its sender waits, so the fields and attachments of a fax come with `open`.
  const quick = content.kind === 'fax';
  const read = await readWith(identity, key, content, { first: !known, quick }, reading);
  const opening = openingOf(gatewayId, { key, fingerprint, bytes: raw.length }, read, {
    proposed: proposalOf(identity),
    serverFields: quick ? null : serverFieldsOf(read),
  });
  await deps.journal.spool(opening, raw);
}

interface HowToRead {
  /** The key is not in the journal yet. */
  first: boolean;
  quick: boolean;
}

async function readWith(
  identity: Identity,
  key: string,
  content: Content | Notice,
  how: HowToRead,
  reading: Reading,
): Promise<ReadMessage> {
  const { deps, gatewayId } = reading;
  const ids = stableIds(identity, deps.link, reading.linkDays);
  const found = await readNoted(key, content, { gatewayId, link: ids.link }, how, reading);
  // Once: a STOP or START that is read again, after a restart say, must not undo a later one. Not under the note: a process that
  // is killed while the journal writes says nothing about the text.
  if (isText(found) && how.first)
    await applyConsent(deps, reading.textRules.optOutGroup ?? gatewayId, found, deps.clock.now());
  const read = ids.applied(found);
  const made = idFromKey(gatewayId, key, content, read);
  return made === undefined ? read : { ...read, message: { ...read.message, DeliverySystemId: made } };
}

const isText = (read: ReadMessage | ReadText): read is ReadText => 'consent' in read;

interface Context {
  gatewayId: string;
  link: ReturnType<typeof stableIds>['link'];
  isolated?: () => void;
}

/** The note stands while this process has the content in its hands, and not while another process reads it. */
async function readNoted(
  key: string,
  content: Content | Notice,
  context: Context,
  attempt: HowToRead,
  reading: Reading,
): Promise<ReadMessage | ReadText> {
  if (!isNoted(content)) return readContent(content, context, attempt, reading);
  const { crashes } = reading.deps;
  const noted = { gatewayId: reading.gatewayId, key };
  const how = crashes.howToRead(noted);
  const isolated = content.kind === 'mail' && (how === 'isolated' || how === 'requeued');
  let end = isolated ? () => {} : crashes.begin(noted);
  const onResult = () => {
    end = crashes.begin(noted);
  };
  const isolation = isolated ? { isolated: onResult } : {};
  try {
    return await readContent(content, { ...context, ...isolation }, attempt, reading);
  } finally {
    end();
  }
}

async function readContent(
  content: Content | Notice,
  context: Context,
  how: HowToRead,
  { deps, textRules, faxRules }: Reading,
): Promise<ReadMessage | ReadText> {
  const { reader } = deps;
  if (content.kind === 'notice') return readNotice(content);
  if (content.kind === 'mail') return reader.readMail(content, context);
  if (content.kind === 'fax')
    return how.quick ? reader.summarizeFax(content, faxRules, context) : reader.readFax(content, faxRules, context);
  return reader.readText(content, textRules, context);
}

function newIdentity(now: number): Identity {
  return { requestId: randomUUID(), receivedAt: now };
}

const proposalOf = ({ requestId, receivedAt }: Identity) => ({ requestId, receivedAt });

/** What is sent is what the journal recorded; only the bodies come from this reading. */
function messageOf(gatewayId: string, record: InboundRecord, read: ReadMessage): ReceivingMessage {
  return {
    ...read.message,
    ...record.serverFields,
    DeliverySystemId: record.deliverySystemId,
    GatewayId: gatewayId,
    RequestId: record.requestId,
  };
}
