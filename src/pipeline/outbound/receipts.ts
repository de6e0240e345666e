// Receipts on their way into the journal, and the notice about a fax whose end came after its answer.
import type { DeliveryReceipt } from '../../driver/contract.js';
import type { Delivery, ReceiptJournal } from '../../journal/types/receipts.js';
import { messageOf } from '../../kit/errors.js';
import type { GatewayConfig } from '../gateways/config.js';
import { redactedReceipts } from '../gateways/driver-context.js';
import type { OutboundDeps } from '../gateways/gateway.js';

type Deps = Pick<OutboundDeps, 'log' | 'clock' | 'notify' | 'redactor'> & {
  journal: Pick<ReceiptJournal, 'applyReceipts' | 'delivery'>;
};

export interface LateResults {
  /** Puts receipts into the journal; the notices about ends among them are there before. */
  applyReceipts(receipts: readonly DeliveryReceipt[]): Promise<void>;
  /** An outcome without an end has just been recorded under these ids: ends that are known by now are reported. */
  afterOutcome(ids: readonly string[]): Promise<void>;
}

/** For a gateway that reports to no other gateway, receipts go into the journal and that is all. */
export function createLateResults(config: GatewayConfig, deps: Deps): LateResults {
  const { driver, settings, info } = config;
  const { journal, log, clock, redactor } = deps;
  const reportTo = driver.reportTo?.(settings);
  const report = reporter(config, deps, reportTo);

  return {
    async applyReceipts(reported) {
      const receipts = redactedReceipts(reported, redactor);
      // First the notice: should the process end between the two, the receipt comes again, and one message is reported once.
      for (const item of reportTo ? receipts.filter(isEnd) : []) {
        const delivery = await journal.delivery(info.Id, item.id);
        if (delivery && !isEnd(delivery)) await report(delivery, item);
      }
      await journal.applyReceipts(info.Id, receipts);
    },
    async afterOutcome(ids) {
      if (!reportTo) return;
      for (const id of ids) {
        const delivery = await journal.delivery(info.Id, id);
        if (!delivery || !isEnd(delivery)) continue;
        await report(delivery, { ...delivery, at: clock.now() }).catch((error) =>
          log.error({ message_id: delivery.messageId, err: messageOf(error) }, 'late result could not be reported'),
        );
      }
    },
  };
}

type Ended = Pick<Delivery, 'detail'> & { state: string; at: number };

function reporter({ driver }: GatewayConfig, { log, notify }: Deps, reportTo: string | undefined) {
  return async ({ messageId, remoteAddress, subject, ...delivery }: Delivery, end: Ended): Promise<void> => {
    const notified = await notify(reportTo ?? '', {
      kind: 'notice',
      messageId,
      deliverySystemId: delivery.deliverySystemId ?? messageId,
      remoteAddress,
      subject,
      channel: driver.channel,
      delivered: end.state === 'delivered',
      detail: end.detail,
      at: end.at,
    });
    if (notified) return;
    const fields = { report_to: reportTo, message_id: messageId, state: end.state, reason: end.detail };
    log.warn(fields, 'ReportTo names no inbound gateway here');
  };
}

function isEnd({ state }: { state: string }): boolean {
  return state === 'delivered' || state === 'undelivered';
}
