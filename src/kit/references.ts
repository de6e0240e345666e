/** A line ends at 998 characters and an id must not be folded (RFC 5322 2.1.1, 3.2.2), so longer values cannot be written. */
const MAX_LENGTH = 900;
/** Mail programs thread by the first id and by the latest few; RFC 5322 3.6.4 allows leaving out the middle. */
const LATEST = 10;
/** Only the end of a longer header is read: the latest ids stand there. */
const MAX_READ = 64 * 1024;

/** The ids in a Message-ID, In-Reply-To or References value, without brackets, in sequence. What stands in a comment is none. */
export function idsOf(value: string): string[] {
  const ids = bracketedIds(withoutComments(value));
  if (ids.length > 0) return ids;
  return value.includes('(') ? bracketedIds(value) : [];
}

function bracketedIds(value: string): string[] {
  const ids: string[] = [];
  for (const match of value.matchAll(/<([^<>]*)>/g)) {
    const id = (match[1] ?? '').replace(/[\s\p{Cc}]+/gu, '');
    if (id !== '') ids.push(id);
  }
  return ids;
}

/** The ids of a value without brackets: words that all look like ids. An address in a sentence is none. */
export function bareIds(value: string): string[] {
  const words = value.split(/[\s,;<>"]+/).filter((word) => word !== '');
  return words.every((word) => /^[^@]+@[^@]+$/.test(word)) ? words : [];
}

/** RFC 5322 3.2.2. Between angle brackets a parenthesis belongs to the id. */
function withoutComments(value: string): string {
  if (!value.includes('(')) return value;
  let depth = 0;
  let inId = false;
  let plain = '';
  for (const character of value) {
    if (character === '<' && depth === 0) inId = true;
    else if (character === '>') inId = false;
    if (character === '(' && !inId) depth += 1;
    if (depth === 0) plain += character;
    if (character === ')' && !inId) depth = Math.max(0, depth - 1);
  }
  return plain;
}

/**
 * The ids for the References of an answer, without brackets: the root of the thread, the latest ids of `earlier`, and last the
 * id of the message that is answered. Written with brackets and blanks they take at most 900 characters. Empty when the
 * answered id alone does not fit.
 */
export function trimReferences(earlier: readonly string[], answered: string): string[] {
  const [root, ...later] = new Set(earlier.filter((id) => id !== answered && id.length <= MAX_LENGTH));
  return trim(root, later, answered);
}

/** The same for a whole References value that ends with the id of the message to be answered; '' when it holds no id. */
export function trimReferencesHeader(references: string): string {
  const isWhole = references.length <= MAX_READ;
  const ids = idsOf(isWhole ? references : references.slice(-MAX_READ));
  const answered = ids.pop();
  if (answered === undefined) return '';
  const [root] = ids;
  const trimmed = isWhole ? trim(root, ids.slice(1), answered) : trim(undefined, ids, answered);
  return bracketed(trimmed);
}

export function bracketed(ids: readonly string[]): string {
  return ids.map((id) => `<${id}>`).join(' ');
}

function trim(root: string | undefined, later: readonly string[], answered: string): string[] {
  let room = MAX_LENGTH - answered.length - 2;
  if (room < 0) return [];
  const takes = (id: string) => {
    const length = id.length + 3;
    if (length > room) return false;
    room -= length;
    return true;
  };
  const first = root !== undefined && takes(root) ? [root] : [];
  const latest = later.slice(1 - LATEST).reverse();
  const tooLong = latest.findIndex((id) => !takes(id));
  const fitting = tooLong < 0 ? latest : latest.slice(0, tooLong);
  return [...first, ...fitting.reverse(), answered];
}
