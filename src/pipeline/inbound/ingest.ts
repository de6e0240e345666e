// From what the driver received to the row in the journal.
import { randomUUID } from 'node:crypto';
import { readNotice } from '../../content/notice.js';
import type { ReadMessage } from '../../content/reader.js';
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

/** How often a reading is repeated because another opening of the same key was faster: the second time the key is known. */
const MOST_READINGS = 3;

export function ingest(config: GatewayConfig, deps: InboundDeps): Ingest {
  const gatewayId = config.info.Id;
  const { journal, clock, reader } = deps;
  const textRules = rulesOf(config);
  const faxRules = faxRulesOf(config);
  const recordOf = async (key: string) => (await journal.recordsOf(gatewayId, [key])).get(key);

  async function readWith(identity: Identity, key: string, content: Content | Notice, how: Reading) {
    const ids = stableIds(identity, deps.link);
    const read = ids.applied(await readContent(content, { gatewayId, link: ids.link }, how));
    const made = idFromKey(gatewayId, key, content, read);
    return made === undefined ? read : { ...read, message: { ...read.message, DeliverySystemId: made } };
  }

  async function readContent(content: Content | Notice, context: Context, how: Reading): Promise<ReadMessage> {
    if (content.kind === 'notice') return readNotice(content);
    if (content.kind === 'mail') return reader.readMail(content, context);
    if (content.kind === 'fax')
      return how.quick ? reader.summarizeFax(content, faxRules, context) : reader.readFax(content, faxRules, context);
    const read = await reader.readText(content, textRules, context);
    // Once: a STOP or START that is read again, after a restart say, must not undo a later one.
    if (how.first) await applyConsent(deps, textRules.optOutGroup ?? gatewayId, read, clock.now());
    return read;
  }

  async function openOnce(entry: InFlight, content: Content | Notice): Promise<Ingested | null> {
    const { key } = entry;
    const known = await recordOf(key);
    if (known && known.state !== 'pending') return { record: known, message: null };
    const identity = known ?? newIdentity(clock.now());
    const read = await readWith(identity, key, content, { first: !known, quick: false });
    const { fingerprint, bytes } = entry.handle;
    // The key may have changed while the content was read.
    const opening = openingOf(gatewayId, { key: entry.key, fingerprint, bytes }, read, {
      proposed: proposalOf(identity),
      serverFields: serverFieldsOf(read),
    });
    const record = await journal.open(opening);
    if (record.state !== 'pending') return { record, message: null };
    if (record.requestId !== identity.requestId) return null;
    return { record, message: messageOf(gatewayId, record, read) };
  }

  return {
    async open(entry, content) {
      for (let reading = 1; reading <= MOST_READINGS; reading++) {
        const ingested = await openOnce(entry, content);
        if (ingested) return ingested;
      }
      throw new Error(`inbound message ${entry.key} changes its identity while it is read`);
    },
    async spool({ key, fingerprint, content }) {
      const known = await recordOf(key);
      // A pending message is spooled all the same: before it is stored whole, its sender must not be told that it was accepted.
      if (!content || (known && known.state !== 'pending')) return;
      const raw = rawOf(content);
      const identity = known ?? newIdentity(clock.now());
      // Reading a fax takes longer than its sender waits, so the fields and attachments of a fax come with `open`.
      const quick = content.kind === 'fax';
      const read = await readWith(identity, key, content, { first: !known, quick });
      const opening = openingOf(gatewayId, { key, fingerprint, bytes: raw.length }, read, {
        proposed: proposalOf(identity),
        serverFields: quick ? null : serverFieldsOf(read),
      });
      await journal.spool(opening, raw);
    },
  };
}

interface Context {
  gatewayId: string;
  link: ReturnType<typeof stableIds>['link'];
}

interface Reading {
  /** The key is not in the journal yet. */
  first: boolean;
  quick: boolean;
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
