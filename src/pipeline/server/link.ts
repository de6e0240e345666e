/** The connection to the server, as far as the pipelines need it. */
export interface ServerLink {
  readonly up: boolean;
  /** Resolves at once when the link is up, else when it comes up; rejects with the signal's reason. */
  untilUp(signal: AbortSignal): Promise<void>;
  /** Rejects when the link is down or goes down before the bytes are with the operating system. */
  send(code: string, content: unknown): Promise<void>;
  /** Ends the present connection, if there is one; the client logs in again. */
  reset(reason: string): void;
}
