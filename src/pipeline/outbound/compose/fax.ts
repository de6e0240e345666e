import { faxRulesOf } from '../../gateways/fax-rules.js';
import type { ComposeDeps, Composed, ComposeFailure, SendRequest } from './types.js';

export async function composeFax(
  request: SendRequest,
  { config, fax, signal }: ComposeDeps,
): Promise<Composed | ComposeFailure> {
  const result = await fax.compose(request, faxRulesOf(config), signal);
  if (!result.ok) return { problem: result.problem };
  return { message: result.fax, deliverySystemId: result.fax.reference };
}
