// Members of a YAML map with their positions, aliases followed.
import { type Document, isAlias, isMap, isScalar, isSeq, type Node, type YAMLMap } from 'yaml';

export interface Member {
  keyAt: number;
  node: Node | null;
}

export function membersOf(document: Document.Parsed, map: YAMLMap): Map<string, Member> {
  const members = new Map<string, Member>();
  for (const pair of map.items) {
    const name = isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
    members.set(name, { keyAt: startOf(pair.key), node: resolve(document, pair.value) });
  }
  return members;
}

/** The node itself, an alias (`*name`) followed to what it stands for. */
export function resolve(document: Document.Parsed, value: unknown): Node | null {
  if (isAlias(value)) return value.resolve(document) ?? null;
  return isNode(value) ? value : null;
}

function isNode(value: unknown): value is Node {
  return isScalar(value) || isMap(value) || isSeq(value);
}

export function isEmpty(node: Node | null): boolean {
  return node === null || (isScalar(node) && (node.value === null || node.value === ''));
}

export function startOf(value: unknown): number {
  return isNode(value) ? (value.range?.[0] ?? 0) : 0;
}
