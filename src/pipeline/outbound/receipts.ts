// Owns what faxes need beyond mail: the rules of their gateway, and the notice about a fax whose end came after its answer.
import type { DeliveryReceipt, FaxRules } from '../../driver/contract.js';
import type { Delivery, ReceiptJournal } from '../../journal/types/receipts.js';
import { messageOf } from '../../kit/errors.js';
import type { GatewayConfig } from '../gateways/config.js';
import type { OutboundDeps } from '../gateways/gateway.js';

const NO_RULES: FaxRules = {
  region: undefined,
  pageSize: 'A4',
  resolution: 'Fine',
  documents: 'pdf',
  header: undefined,
  station: undefined,
  coverPage: false,
};

export function faxRulesOf({ driver, settings }: GatewayConfig): FaxRules {
  return driver.faxRules?.(settings) ?? NO_RULES;
}

type Deps = Pick<OutboundDeps, 'log' | 'clock' | 'notify'> & {
  journal: Pick<ReceiptJournal, 'applyReceipts' | 'delivery'>;
};

export interface LateResults {
  /** Puts news into the journal; the notices about ends among them are there before. */
  receipts(receipts: readonly DeliveryReceipt[]): Promise<void>;
  /** An outbound message has just been answered without its end, known under these ids: what has ended meanwhile is told. */
  answered(ids: readonly string[]): Promise<void>;
}

/** `heard` is all there is for gateways that name nobody to report to. */
export function lateResults(
  { driver, settings, info }: GatewayConfig,
  { journal, log, clock, notify }: Deps,
): LateResults {
  const reportTo = driver.reportTo?.(settings);

  async function tell(delivery: Delivery, end: { state: string; detail: string | null; at: number }): Promise<void> {
    const { messageId, remoteAddress, subject } = delivery;
    const deliverySystemId = delivery.deliverySystemId ?? messageId;
    const about = { messageId, deliverySystemId, remoteAddress, subject, channel: driver.channel };
    const { detail, at } = end;
    const told = await notify(reportTo ?? '', {
      kind: 'notice',
      ...about,
      delivered: end.state === 'delivered',
      detail,
      at,
    });
    if (!told)
      log.warn(
        { reportTo, messageId: messageId, state: end.state, detail },
        'ReportTo names no inbound gateway that runs here, so the result is in the delivery log only',
      );
  }

  return {
    async receipts(receipts) {
      // First the notice: should we end between the two, the end is heard again, and one outbound message is reported once.
      for (const item of reportTo ? receipts.filter(isEnd) : []) {
        const delivery = await journal.delivery(info.Id, item.id);
        if (delivery && !isEnd(delivery)) await tell(delivery, item);
      }
      await journal.applyReceipts(info.Id, receipts);
    },
    async answered(ids) {
      if (!reportTo) return;
      for (const id of ids) {
        const delivery = await journal.delivery(info.Id, id);
        if (delivery && isEnd(delivery))
          await tell(delivery, { ...delivery, at: clock.now() }).catch((error) =>
            log.error({ messageId: delivery.messageId, error: messageOf(error) }, 'a result could not be reported'),
          );
      }
    },
  };
}

function isEnd({ state }: { state: string }): boolean {
  return state === 'delivered' || state === 'undelivered';
}
