import type { JournalReader } from '../journal/open.js';
import type { QuarantinedMessage } from '../journal/types/inbound.js';
import { isoTime } from '../kit/clock.js';
import { GatepostError } from '../kit/errors.js';
import { oneLine } from '../kit/terminal.js';
import { requestRelease } from '../pipeline/control-requests.js';
import { documentOf } from '../pipeline/inbound/spool-codec.js';
import type { GatewayNames } from './log.js';
import { logTime, type Output } from './output.js';
import { table } from './table.js';

export async function quarantineList(
  journal: JournalReader,
  names: GatewayNames,
  { out, say }: Output,
): Promise<number> {
  const waiting = await journal.quarantined();
  if (waiting.length === 0) {
    say('no message is in quarantine\n');
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

/** The message as it was received, for a file or a mail program. */
export async function quarantineExport(
  number: string,
  journal: JournalReader,
  write: (bytes: Uint8Array) => void,
): Promise<number> {
  const { inboundMessage } = await one(number, journal);
  const raw = await journal.quarantinedRaw(inboundMessage.id);
  if (!raw)
    throw new GatepostError('quarantine/gone', `message ${number} is in quarantine, but its stored bytes are missing`, {
      advice: 'look for the message in the mailbox, where it was moved or flagged',
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
      `${inboundMessage.id} ${oneLine(inboundMessage.deliverySystemId)} is offered to the server again within a second while gatepost runs, otherwise when it is started; follow it with: gatepost trace ${inboundMessage.requestId}\n`,
    );
  }
  if (chosen.length === 0) out('no message is in quarantine\n');
  return 0;
}

async function one(number: string, journal: JournalReader): Promise<QuarantinedMessage> {
  const found = (await journal.quarantined()).find(({ inboundMessage }) => String(inboundMessage.id) === number);
  if (found) return found;
  throw new GatepostError('quarantine/unknown', `there is no message ${oneLine(number)} in quarantine`, {
    advice: 'list the numbers with: gatepost quarantine list',
  });
}
