import type { Metrics } from '../model/metrics.js';

export type { Metrics, OutboundResult } from '../model/metrics.js';

export const noMetrics: Metrics = {
  inboundMessage() {},
  confirmed() {},
  outboundMessage() {},
  sessionFailed() {},
  inputRejected() {},
  unhandledMessage() {},
};
