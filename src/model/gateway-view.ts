/** What can be seen of a running gateway at any moment. */
export interface GatewayView {
  readonly id: string;
  readonly direction: 'I' | 'O';
  readonly displayName: string;
  readonly device: string;
  readonly state: 'starting' | 'running' | 'degraded' | 'failing' | 'draining' | 'stopped' | 'skipped';
  /** Why it fails or is skipped; null while all is well. */
  readonly problem: string | null;
  /** Since when it is in this state, ms. */
  readonly since: number;
  /** Inbound messages handed over and not acknowledged, or outbound messages being sent. */
  readonly inFlight: number;
  /** Places of the window, or of concurrent sends. */
  readonly window: number;
  /** Inbound messages waiting in back-off after a refusal or silence. */
  readonly backingOff: number;
  /** Age of the oldest inbound message not acknowledged or order not answered, ms; 0 when there is none. */
  readonly oldestMs: number;
}

/** The session with the server. */
export interface ServerView {
  /** `up` is the one word that counts as connected; the others are shown as they are. */
  readonly is: string;
  /** Since when, ms since the epoch. */
  readonly since?: number | undefined;
  /** When the next try comes, ms since the epoch. */
  readonly retryAt?: number | undefined;
  readonly reason?: string | null | undefined;
}
