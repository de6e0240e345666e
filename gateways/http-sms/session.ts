import type { GatewayContext } from '../../src/driver/contract.js';
import type { HttpClient } from '../../src/driver/shared/http-client.js';
import type { Pace } from '../../src/driver/shared/pace.js';
import type { rejectionLog } from '../../src/driver/shared/rejections.js';
import type { HttpSmsSettings } from './settings.js';

export interface HttpSmsSession {
  readonly context: GatewayContext<HttpSmsSettings>;
  readonly pace: Pace;
  readonly http: HttpClient;
  /** For pushes that are not authentic. */
  readonly logRejection: ReturnType<typeof rejectionLog>;
  /** Aborted by `close`. */
  readonly closing: AbortController;
}
