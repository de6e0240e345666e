import { withoutOwnLinks } from '../../../content/own-links.js';
import { messageOf } from '../../../kit/errors.js';
import { composeFax } from './fax.js';
import { composeMail } from './mail.js';
import { composeText } from './text.js';
import type { ComposeDeps, Composed, ComposeFailure, SendRequest } from './types.js';

/** `composedAt`: the same for all attempts, also after a restart: a mail that is sent again is the same mail, to the byte. */
export async function compose(
  request: SendRequest,
  composedAt: number,
  deps: ComposeDeps,
): Promise<Composed | ComposeFailure> {
  const { channel } = deps.config.driver;
  const leaving = withoutLinks(request);
  try {
    if (channel === 'SMS') return await composeText(leaving, deps);
    if (channel === 'Fax') return await composeFax(leaving, deps);
    return await composeMail(leaving, composedAt, deps);
  } catch (error) {
    return { problem: `not sent: the message could not be composed: ${messageOf(error)}`, temporary: true };
  }
}

/** The quoted message of a customer lists its attachments with links that are for the agent alone. */
function withoutLinks(request: SendRequest): SendRequest {
  const { BodyHtml, BodyText } = request;
  return {
    ...request,
    ...(BodyHtml && { BodyHtml: withoutOwnLinks(BodyHtml) }),
    ...(BodyText && { BodyText: withoutOwnLinks(BodyText) }),
  };
}

/** The same message without the recipients that have it. */
export function withoutRecipients({ message, deliverySystemId }: Composed, accepted: readonly string[]): Composed {
  if (message.kind !== 'mail' || accepted.length === 0) return { message, deliverySystemId };
  const recipients = message.recipients.filter((recipient) => !accepted.includes(recipient.toLowerCase()));
  return { message: { ...message, recipients }, deliverySystemId };
}
