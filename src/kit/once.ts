/** Shares one running call and its success; a failure is forgotten, so the next caller tries afresh. */
export function once<T>(work: () => Promise<T>): () => Promise<T> {
  let shared: Promise<T> | undefined;
  return () => {
    shared ??= work().catch((error) => {
      shared = undefined;
      throw error;
    });
    return shared;
  };
}
