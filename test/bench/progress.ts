// Progress on a terminal, and the list of runs that failed.

export interface Progress {
  /** Runs one side of one round; undefined, with the reason in `troubles`, when it threw. */
  step<T>(what: string, run: () => Promise<T>): Promise<T | undefined>;
  readonly troubles: readonly string[];
  clear(): void;
}

export function createProgress(screen: NodeJS.WriteStream): Progress {
  const troubles: string[] = [];
  const show = (text: string) => {
    if (screen.isTTY) screen.write(`\r\x1b[K${text}`);
  };
  return {
    troubles,
    async step(what, run) {
      show(what);
      try {
        return await run();
      } catch (error) {
        troubles.push(`void: ${what}: ${error instanceof Error ? error.message : String(error)}`);
        return undefined;
      }
    },
    clear: () => show(''),
  };
}
