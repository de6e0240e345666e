import type { GatewayContext } from '../../src/driver/contract.js';
import type { HttpClient } from '../../src/driver/shared/http-client.js';
import type { Pace } from '../../src/driver/shared/pace.js';
import type { HttpSmsSettings } from './settings.js';

export interface HttpSmsSession {
  readonly context: GatewayContext<HttpSmsSettings>;
  readonly pace: Pace;
  readonly http: HttpClient;
  /** Aborted by `close`. */
  readonly closing: AbortController;
}
