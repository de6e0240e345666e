import { yieldToEventLoop } from '../contract.js';

/**
 * Turns of the event loop that a socket needs to hand over what the kernel has received already: one for the read, the
 * others for the layers above it (TLS, stream parsers).
 */
const TURNS = 5;

/**
 * After a process stood still (frozen, swapped out), its timers run before its sockets are read: a deadline would then
 * report "no answer" although the answer has arrived. A deadline waits for this before it decides.
 */
export async function pendingInputRead(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await yieldToEventLoop();
}
