// Entry module of the process in which a mail is read that may have ended the service: one task at a time, one reply each.
import { z } from 'zod';
import type { RawMail } from '../../model/content.js';
import { FULL_BUDGET, parseOrFallback } from './parse/read-mail.js';

const task = z.object({ mail: z.custom<RawMail>((value) => typeof value === 'object'), gatewayId: z.string() });

async function answer(message: unknown): Promise<unknown> {
  const { mail, gatewayId } = task.parse(message);
  return { read: await parseOrFallback(mail, gatewayId, FULL_BUDGET) };
}

// systemd sends SIGTERM to all processes of a service; the service ends this one.
process.on('SIGTERM', () => {});
process.on('message', (message) => void answer(message).then((reply) => process.send?.(reply)));
process.on('disconnect', () => process.exit());
