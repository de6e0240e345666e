// Owns the shapes in which the HTTP port is shown the running connector. They are structural: http knows neither the
// flow nor the SimProt client, and what those hand out fits as it is.

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

/** One gateway at this moment. (id, direction) is its key. */
export interface GatewayView {
  readonly id: string;
  readonly direction: 'I' | 'O';
  readonly displayName: string;
  readonly device: string;
  /** `running` is the one word for well; `failing` and `skipped` need somebody to look. */
  readonly state: string;
  /** Why it fails or is skipped; null while all is well. */
  readonly problem: string | null;
  /** Since when it is in this state, ms since the epoch. */
  readonly since: number;
  /** Inbound messages handed over and not acknowledged, or outbound messages being sent. */
  readonly inFlight: number;
  /** Places of the window, or of concurrent sends. */
  readonly window: number;
  /** Inbound messages waiting in back-off. */
  readonly backingOff: number;
  /** Age of the oldest inbound message not acknowledged or order not answered, ms; 0 when there is none. */
  readonly oldestMs: number;
}
