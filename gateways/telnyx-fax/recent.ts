// Owns a bounded memory by id: the newest entries, so that it never grows with the traffic.

export interface Recent<Value> {
  has(id: string): boolean;
  get(id: string): Value | undefined;
  set(id: string, value: Value): void;
}

export function recent<Value>(most: number): Recent<Value> {
  const entries = new Map<string, Value>();
  return {
    has: (id) => entries.has(id),
    get: (id) => entries.get(id),
    set(id, value) {
      entries.delete(id);
      entries.set(id, value);
      if (entries.size > most)
        for (const oldest of [...entries.keys()].slice(0, Math.ceil(most / 10))) entries.delete(oldest);
    },
  };
}
