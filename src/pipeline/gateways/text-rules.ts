import type { ReadText } from '../../content/reader.js';
import type { TextRules } from '../../driver/contract.js';
import type { OptOuts } from '../../journal/types/opt-outs.js';
import type { Log } from '../../kit/log.js';
import type { GatewayConfig } from './config.js';

const NO_RULES: TextRules = { region: undefined, sender: undefined, transliterate: false, optOutGroup: undefined };

export function rulesOf({ driver, settings }: GatewayConfig): TextRules {
  return driver.textRules?.(settings) ?? NO_RULES;
}

/** What the sender said about wanting messages is in the registry before the message is handed over. */
export async function applyConsent(
  { journal, log }: { journal: Pick<OptOuts, 'optOut' | 'optIn'>; log: Log },
  group: string,
  read: ReadText,
  at: number,
): Promise<void> {
  const address = read.message.RemoteAddress;
  if (read.consent === 'stop') {
    const changed = await journal.optOut({
      group,
      address,
      at,
      source: 'keyword',
      detail: read.message.BodyText.slice(0, 80),
    });
    if (changed) log.info({ address, group }, 'a recipient has opted out');
  }
  if (read.consent === 'start' && (await journal.optIn(group, address)))
    log.info({ address, group }, 'a recipient has opted in again');
}
