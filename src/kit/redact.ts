export interface Redactor {
  /** Remembers a secret value. Values shorter than 4 characters are rejected: hiding them would tear up ordinary text. */
  add(secret: string): void;
  redact(text: string): string;
}

const SHORTEST = 4;
export const HIDDEN = '[hidden]';

export function redactor(): Redactor {
  const secrets = new Set<string>();
  let pattern: RegExp | undefined;
  const quote = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  return {
    add(secret) {
      if (secret.length < SHORTEST || secrets.has(secret)) return;
      secrets.add(secret);
      // The forms under which a secret travels: as it is, inside JSON, in a URL, and as SASL's base64.
      const forms = [...secrets].flatMap((s) => [
        s,
        JSON.stringify(s).slice(1, -1),
        encodeURIComponent(s),
        Buffer.from(s)
          .toString('base64')
          .replace(/={1,2}$/, ''),
      ]);
      const longestFirst = [...new Set(forms)].sort((a, b) => b.length - a.length);
      pattern = new RegExp(longestFirst.map(quote).join('|'), 'g');
    },
    redact: (text) => (pattern ? text.replace(pattern, HIDDEN) : text),
  };
}
