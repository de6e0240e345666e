// Owns the figures the two straight lines report. Who collects them is not the flow's business.

export type ArrivalResult = 'acknowledged' | 'duplicate' | 'refused' | 'quarantined';
export type OrderResult = 'sent' | 'partial' | 'deferred' | 'rejected' | 'unknown' | 'repeated';

/** Gateways are named by id; whoever shows the figures knows their display names. */
export interface Meters {
  /** One arrival has come to a result; `seconds` from the driver's yield to the server's ack. */
  arrival(gatewayId: string, result: ArrivalResult, seconds: number): void;
  /** Confirmed to the mailbox or carrier. */
  confirmed(gatewayId: string): void;
  /** One order has been answered; `seconds` from SE_MESSAGE_SENDING to ES_MESSAGE_SENT. */
  order(gatewayId: string, result: OrderResult, seconds: number): void;
  /** The gateway's session broke or could not be opened. */
  broken(gatewayId: string): void;
  /** The counterparty's input was turned away: forged, malformed, too large. `reason` is one fixed word of the driver's. */
  turnedAway(gatewayId: string, reason: string): void;
  /** MSGs of the server that could not be used: unknown code, unreadable content. */
  ignoredMsg(code: string): void;
}

export const noMeters: Meters = {
  arrival() {},
  confirmed() {},
  order() {},
  broken() {},
  turnedAway() {},
  ignoredMsg() {},
};

/** What can be seen of a running gateway at any moment. */
export interface GatewayView {
  id: string;
  direction: 'I' | 'O';
  displayName: string;
  device: string;
  state: 'starting' | 'running' | 'failing' | 'draining' | 'stopped' | 'skipped';
  /** Why it fails or is skipped; null while all is well. */
  problem: string | null;
  /** Since when it is in this state, ms. */
  since: number;
  /** Arrivals handed over and not acknowledged, or orders being sent. */
  inFlight: number;
  /** Places of the window, or of concurrent sends. */
  window: number;
  /** Arrivals waiting in back-off after a refusal or silence. */
  parked: number;
  /** Age of the oldest arrival not acknowledged or order not answered, ms; 0 when there is none. */
  oldestMs: number;
}
