import type { FaxRules } from '../../driver/contract.js';
import type { GatewayConfig } from './config.js';

const NO_RULES: FaxRules = {
  region: undefined,
  pageSize: 'A4',
  resolution: 'Fine',
  documents: 'pdf',
  header: undefined,
  station: undefined,
  coverPage: false,
};

export function faxRulesOf({ driver, settings }: GatewayConfig): FaxRules {
  return driver.faxRules?.(settings) ?? NO_RULES;
}
