/** What can be seen of a running gateway at any moment. */
export interface GatewayView {
  readonly id: string;
  readonly direction: 'I' | 'O';
  readonly displayName: string;
  readonly device: string;
  readonly state: 'starting' | 'running' | 'degraded' | 'failing' | 'draining' | 'stopped' | 'skipped';
  /** Why the gateway fails, is degraded or is skipped; null while all is well. */
  readonly problem: string | null;
  /** When the gateway entered this state, ms since the epoch. */
  readonly since: number;
  /** Inbound messages handed over and not acknowledged, or outbound messages being sent. */
  readonly inFlight: number;
  /** Size of the window of unacknowledged messages, or of concurrent sends. */
  readonly window: number;
  /** Inbound messages in back-off after a rejection or a timeout. */
  readonly backingOff: number;
  /** Age of the oldest unacknowledged inbound message or unanswered send request, ms; 0 without one. */
  readonly oldestMs: number;
}

/** The session with the server. */
export interface ServerView {
  /** `up` means connected; every other word is shown as it is. */
  readonly is: string;
  /** Since when, ms since the epoch. */
  readonly since?: number | undefined;
  /** When the next attempt to connect is due, ms since the epoch. */
  readonly retryAt?: number | undefined;
  readonly reason?: string | null | undefined;
}
