// Owns a bounded memory of ids: the newest ones, so that it never grows with the traffic.

export interface Recent {
  has(id: string): boolean;
  add(id: string): void;
}

export function recent(most: number): Recent {
  const ids = new Set<string>();
  return {
    has: (id) => ids.has(id),
    add(id) {
      ids.delete(id);
      ids.add(id);
      if (ids.size > most) for (const oldest of [...ids].slice(0, Math.ceil(most / 10))) ids.delete(oldest);
    },
  };
}
