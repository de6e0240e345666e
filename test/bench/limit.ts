// A time limit: a measurement that hangs is void, not endless.

/** Ms for one run of anything; the slowest takes a tenth of that. */
const RUN_MS = 15 * 60_000;

/** Throws when `work` takes longer than `ms`, naming `what`. */
export async function within<T>(what: string, work: Promise<T>, ms = RUN_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`still waiting after ${ms / 1000} s for ${what}`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
