import { distance } from 'fastest-levenshtein';

/** The candidate nearest to a mistyped word, or undefined when more than half of every candidate would have to change. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = word.toLowerCase();
  let best: { candidate: string; changes: number } | undefined;
  for (const candidate of candidates) {
    const changes = distance(wanted, candidate.toLowerCase());
    if (!best || changes < best.changes) best = { candidate, changes };
  }
  if (!best || best.changes > Math.max(2, Math.ceil(best.candidate.length / 2))) return undefined;
  return best.candidate;
}
