export const INBOUND_RESULTS = ['acknowledged', 'duplicate', 'rejected', 'quarantined'] as const;
export const OUTBOUND_RESULTS = ['sent', 'partial', 'deferred', 'rejected', 'unknown', 'repeated'] as const;

export type InboundResult = (typeof INBOUND_RESULTS)[number];
export type OutboundResult = (typeof OUTBOUND_RESULTS)[number];

/** What the pipelines count. Gateways are named by id; the metrics page adds their display names. */
export interface Metrics {
  /** One inbound message has come to a result; `seconds` from receiving it to the acknowledgement of the server. */
  inboundMessage(gatewayId: string, result: InboundResult, seconds: number): void;
  /** Confirmed to the mailbox or carrier. */
  confirmed(gatewayId: string): void;
  /** One send request has been answered; `seconds` from SE_MESSAGE_SENDING to ES_MESSAGE_SENT. */
  outboundMessage(gatewayId: string, result: OutboundResult, seconds: number): void;
  /** The gateway's session broke or could not be opened. */
  sessionFailed(gatewayId: string): void;
  /** Input of the counterparty was rejected: forged, malformed, too large. `reason` is one fixed word of the driver. */
  inputRejected(gatewayId: string, reason: string): void;
  /** A MSG of the server that could not be used: unknown code, unreadable content. */
  unhandledMessage(code: string): void;
}
