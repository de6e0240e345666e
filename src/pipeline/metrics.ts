// Owns the figures the two straight lines report. Who collects them is not the flow's business.

export type InboundResult = 'acknowledged' | 'duplicate' | 'rejected' | 'quarantined';
export type OutboundResult = 'sent' | 'partial' | 'deferred' | 'rejected' | 'unknown' | 'repeated';

/** Gateways are named by id; whoever shows the figures knows their display names. */
export interface Metrics {
  /** One inbound message has come to a result; `seconds` from the driver's yield to the server's ack. */
  inboundMessage(gatewayId: string, result: InboundResult, seconds: number): void;
  /** Confirmed to the mailbox or carrier. */
  confirmed(gatewayId: string): void;
  /** One outbound message has been answered; `seconds` from SE_MESSAGE_SENDING to ES_MESSAGE_SENT. */
  outboundMessage(gatewayId: string, result: OutboundResult, seconds: number): void;
  /** The gateway's session broke or could not be opened. */
  sessionFailed(gatewayId: string): void;
  /** The counterparty's input was turned away: forged, malformed, too large. `reason` is one fixed word of the driver's. */
  inputRejected(gatewayId: string, reason: string): void;
  /** MSGs of the server that could not be used: unknown code, unreadable content. */
  unhandledMessage(code: string): void;
}

export const noMetrics: Metrics = {
  inboundMessage() {},
  confirmed() {},
  outboundMessage() {},
  sessionFailed() {},
  inputRejected() {},
  unhandledMessage() {},
};
