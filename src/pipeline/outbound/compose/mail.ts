import { composeMail as composeMailContent } from '../../../content/mail/compose/compose.js';
import type { ComposeDeps, Composed, ComposeFailure, SendRequest } from './types.js';

export async function composeMail(
  request: SendRequest,
  composedAt: number,
  { config, journal }: ComposeDeps,
): Promise<Composed | ComposeFailure> {
  const { driver, settings, info } = config;
  // Until the first attempt: a customer's message that came after it must not change the headers of a repeat.
  const thread = await journal.threadFor(request.RemoteAddress ?? '', request.SubjectField ?? '', composedAt);
  const sender = driver.sender?.(settings) ?? {};
  const gatewayName = info.DisplayName ?? null;
  const result = await composeMailContent(request, { sender, gatewayName, thread, now: composedAt });
  if (!result.ok) return { problem: result.problem };
  return { message: result.mail, deliverySystemId: result.deliverySystemId };
}
