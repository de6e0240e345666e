// Counterparties that push and cannot wait: Gatepost replies only after the message is in the journal.
import type { DeliveryReceipt, RawRequest } from '../../driver/contract.js';
import type { Notice } from '../../model/content.js';
import type { GatewayConfig } from '../gateways/config.js';
import type { InboundDeps, InboundGateway } from '../gateways/gateway.js';
import { type SessionSupervisor, sessionFor } from '../gateways/session-supervisor.js';
import type { Ingest } from './ingest.js';
import { noticeKey } from './spool-codec.js';

export interface PushDeps {
  config: GatewayConfig;
  supervisor: SessionSupervisor;
  ingest: Ingest;
  /** Makes the loop dispatch what was stored. */
  wake(): void;
  applyReceipts(receipts: readonly DeliveryReceipt[]): Promise<void>;
}

export function pushes({ clock }: InboundDeps, deps: PushDeps): Pick<InboundGateway, 'webhook' | 'notify'> {
  const { config, supervisor, ingest, wake, applyReceipts } = deps;
  return {
    async webhook(request: RawRequest) {
      if (!config.driver.webhook) return { reply: { status: 404 } };
      const session = await sessionFor(supervisor, clock, request.signal);
      const result = await config.driver.webhook(session, request);
      const { reply, messages = [], receipts = [], otherDirection = false } = result;
      for (const pushed of messages) await ingest.spool(pushed);
      if (messages.length > 0) wake();
      if (receipts.length > 0) await applyReceipts(receipts);
      return { reply, otherDirection };
    },
    /** Stored like a push, so that the notice survives a restart, and handed over like any message. */
    async notify(notice: Notice) {
      await ingest.spool({ key: noticeKey(notice), fingerprint: '', content: notice });
      wake();
    },
  };
}
