// Carries one message to its outcome: each part is one submit_sm. Point of no return: a submit_sm that was handed to the
// socket. From then on only its response decides; without one the SMSC may have the part.
// A part: waiting for its slot -> written -> accepted | rejected | unanswered; a throttling status leads back to waiting.
// Once a part is rejected or unanswered, no further part is written.
import { type Attempt, type ComposedText, messageOf, type Outcome } from '../../../src/driver/contract.js';
import { EncodingFault, type Pdu } from '../pdu/pdu.js';
import { describeStatus, isTemporary, isThrottling, STATUS } from '../pdu/status.js';
import type { AccountHandle } from '../session/account.js';
import { ConnectionLost } from '../session/connection.js';
import { settledBy } from '../session/settled.js';
import type { SmppSettings } from '../settings.js';
import { composeParts, type Part } from './compose.js';
import { outcomeOf, type PartOutcome } from './part-outcome.js';

export interface Submission {
  readonly account: AccountHandle;
  readonly settings: SmppSettings;
  /** The message is in flight until the returned function is called. */
  onStart(): () => void;
  /** A response that decides about a part, also one that comes after the outcome was returned. */
  onResponse(part: number, response: PartOutcome): void;
  /** Parts that were written and not answered when the outcome was returned. */
  onUnanswered(parts: readonly (Part & { number: number })[], total: number): void;
  /** The id under which an unanswered part is settled later. */
  partId(part: number): string;
}

/** Returns before the attempt's deadline. */
export async function submitMessage(message: ComposedText, attempt: Attempt, submission: Submission): Promise<Outcome> {
  const { account, settings } = submission;
  const composition = composeParts(message, settings);
  if ('problem' in composition) return { kind: 'rejected', detail: composition.problem };
  const release = await account.throttle.recipientTurn(message.to, attempt.signal).catch(() => undefined);
  if (!release) return { kind: 'deferred', detail: 'timed out waiting behind other messages to this recipient' };
  const end = submission.onStart();
  try {
    const { parts } = composition;
    const outcomes = await new PartsSubmission(submission, attempt.signal).submit(parts);
    const unanswered = parts
      .map((part, at) => ({ ...part, number: at + 1 }))
      .filter((_, at) => outcomes[at]?.kind === 'unanswered');
    if (unanswered.length > 0) submission.onUnanswered(unanswered, parts.length);
    return outcomeOf(outcomes, parts.length, message, submission.partId);
  } finally {
    end();
    release();
  }
}

type Response = PartOutcome | { readonly kind: 'throttled'; readonly detail: string };

class PartsSubmission {
  readonly #submission: Submission;
  readonly #signal: AbortSignal;
  #hasFailed = false;

  constructor(submission: Submission, signal: AbortSignal) {
    this.#submission = submission;
    this.#signal = signal;
  }

  /** The next part follows when this one is written, not when it is answered. */
  async submit(parts: readonly Part[]): Promise<PartOutcome[]> {
    const outcomes: Promise<PartOutcome>[] = [];
    for (const [at, part] of parts.entries()) {
      if (this.#hasFailed) break;
      await new Promise<void>((written) => {
        const outcome = this.#submitPart(part, at + 1, written);
        outcomes.push(outcome);
        outcome.then(() => written(), written);
      });
    }
    return Promise.all(outcomes);
  }

  /** Repeats the part while the SMSC asks to slow down and there is time. */
  async #submitPart(part: Part, number: number, written: () => void): Promise<PartOutcome> {
    let throttled = 'timed out waiting for the rate limit of the account';
    for (;;) {
      const release = await this.#submission.account.throttle.partSlot(this.#signal).catch(() => undefined);
      if (!release) return this.#fail({ kind: 'rejected', temporary: true, detail: throttled });
      if (this.#hasFailed) {
        release();
        return { kind: 'rejected', temporary: true, detail: 'another part failed' };
      }
      const response = await this.#submitOnce(part, number, written).finally(release);
      if (response.kind !== 'throttled') return response;
      throttled = response.detail;
    }
  }

  async #submitOnce({ fields }: Part, number: number, written: () => void): Promise<Response> {
    const { account } = this.#submission;
    let request: Promise<Pdu>;
    try {
      const connection = account.transmitter ?? (await settledBy(account.bindTransmitter(), this.#signal, 'binding'));
      request = connection.request('submit_sm', fields);
      written();
    } catch (error) {
      // An encoding fault is one of this message: the connection works, and another attempt would fail in the same way.
      const isEncoding = error instanceof EncodingFault;
      return this.#fail(
        isEncoding ? { kind: 'rejected', temporary: false, detail: error.message } : unreachable(error),
      );
    }
    // In this callback and not after the deadline race: the slot is free at once, and the next part must know the result.
    const response = request.then((pdu) => this.#onResponse(number, pdu));
    try {
      return await settledBy(response, this.#signal, 'submit_sm');
    } catch (error) {
      return this.#fail(withoutResponse(error));
    }
  }

  #onResponse(number: number, pdu: Pdu): Response {
    const { account, settings, onResponse } = this.#submission;
    const { status } = pdu;
    const isOptOut = settings.OptedOutStatus?.includes(status) ?? false;
    const detail = describeStatus(status);
    if (isThrottling(status) && !isOptOut) {
      account.throttle.slowDown();
      if (this.#signal.aborted) onResponse(number, { kind: 'rejected', temporary: true, detail });
      return { kind: 'throttled', detail };
    }
    const response: PartOutcome =
      status === STATUS.ok
        ? { kind: 'accepted', id: pdu.text('message_id').trim() }
        : isOptOut
          ? { kind: 'rejected', temporary: false, detail, optedOut: true }
          : { kind: 'rejected', temporary: isTemporary(status), detail };
    if (response.kind === 'accepted') account.throttle.accepted();
    else this.#fail(response);
    onResponse(number, response);
    return response;
  }

  #fail<T extends PartOutcome>(outcome: T): T {
    this.#hasFailed = true;
    return outcome;
  }
}

function unreachable(error: unknown): PartOutcome {
  return { kind: 'rejected', temporary: true, detail: `the SMSC cannot be reached: ${messageOf(error)}` };
}

function withoutResponse(error: unknown): PartOutcome {
  if (error instanceof ConnectionLost && !error.written) return unreachable(error);
  return { kind: 'unanswered', detail: `no response to submit_sm: ${messageOf(error)}` };
}
