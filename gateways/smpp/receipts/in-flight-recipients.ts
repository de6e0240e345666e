import { digits } from './id-format.js';

/** The recipients to whom a message is being sent now. A receipt may arrive before the response that names its id. */
export class InFlightRecipients {
  /** Bounded by the sends that the pipeline runs at once. */
  readonly #counts = new Map<string, number>();

  /** Returns the function that ends it. */
  start(recipient: string): () => void {
    const to = digits(recipient);
    this.#counts.set(to, (this.#counts.get(to) ?? 0) + 1);
    return () => {
      const left = (this.#counts.get(to) ?? 1) - 1;
      if (left > 0) this.#counts.set(to, left);
      else this.#counts.delete(to);
    };
  }

  has(recipient: string): boolean {
    return this.#counts.has(digits(recipient));
  }
}
