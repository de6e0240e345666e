// Owns `gatepost quarantine`: see what waits there, look at one message whole, ask for another try.

import type { JournalReader } from '../journal/open.js';
import type { QuarantinedMessage } from '../journal/types/inbound.js';
import { isoTime } from '../kit/clock.js';
import { GatepostError } from '../kit/errors.js';
import { requestRelease } from '../pipeline/control-queue.js';
import { documentOf } from '../pipeline/inbound/spool-codec.js';
import type { GatewayNames } from './log.js';
import { logTime, type Output, oneLine, table } from './output.js';

export async function quarantineList(
  journal: JournalReader,
  names: GatewayNames,
  { out, say }: Output,
): Promise<number> {
  const waiting = await journal.quarantined();
  if (waiting.length === 0) {
    say('nothing is in quarantine\n');
    return 0;
  }
  const rows = waiting.map(({ inboundMessage, reason, at, bytes }) => [
    String(inboundMessage.id),
    logTime(isoTime(at)),
    names.get(inboundMessage.gatewayId) ?? inboundMessage.gatewayId,
    `${Math.ceil(bytes / 1024)} KB`,
    inboundMessage.deliverySystemId,
    reason,
  ]);
  out(table(['no', 'since (UTC)', 'gateway', 'size', 'id', 'reason'], rows));
  return 0;
}

/** The message as it came, for a file or a mail program. */
export async function quarantineExport(
  number: string,
  journal: JournalReader,
  write: (bytes: Uint8Array) => void,
): Promise<number> {
  const { inboundMessage } = await one(number, journal);
  const raw = await journal.quarantinedRaw(inboundMessage.id);
  if (!raw)
    throw new GatepostError('quarantine/gone', `message ${number} is listed, but its bytes are not there`, {
      advice: 'look for it in the mailbox, where it was moved aside or flagged',
    });
  write(documentOf(raw));
  return 0;
}

export async function quarantineRetry(
  numbers: readonly string[],
  all: boolean,
  dataDir: string,
  journal: JournalReader,
  { out }: Output,
): Promise<number> {
  const chosen = all ? await journal.quarantined() : await Promise.all(numbers.map((number) => one(number, journal)));
  for (const { inboundMessage } of chosen) {
    requestRelease(dataDir, inboundMessage.id);
    out(
      `${inboundMessage.id} ${oneLine(inboundMessage.deliverySystemId)} gets another try as soon as gatepost runs; follow it with: gatepost explain ${inboundMessage.requestId}\n`,
    );
  }
  if (chosen.length === 0) out('nothing is in quarantine\n');
  return 0;
}

async function one(number: string, journal: JournalReader): Promise<QuarantinedMessage> {
  const found = (await journal.quarantined()).find(({ inboundMessage }) => String(inboundMessage.id) === number);
  if (found) return found;
  throw new GatepostError('quarantine/unknown', `there is no message ${oneLine(number)} in quarantine`, {
    advice: 'see the numbers with: gatepost quarantine list',
  });
}
