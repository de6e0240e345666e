// The gateways file of the embedded server. What the settings of a device mean is known to its driver; here only their form
// is read.
import { randomUUID } from 'node:crypto';
import { isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import { type Reading, readEntry, report } from './entry.js';
import type { GatewayProblem, GatewaysFile } from './gateways-file.js';
import { resolve, startOf } from './yaml-nodes.js';

export type * from './gateways-file.js';

/** Far more than hundreds of gateways need. UTF-16 code units. */
export const LONGEST_FILE = 4 * 1024 * 1024;

/** Reads the text of a gateways file; never throws. `newGuid` makes the GUID that is offered in place of a bad one. */
export function readGateways(text: string, file: string, newGuid: () => string = randomUUID): GatewaysFile {
  const lines = new LineCounter();
  const reading: Reading = { file, lines, newGuid, problems: [], devices: [], entries: [], seen: new Map() };
  if (text.length > LONGEST_FILE) {
    report(reading, { at: 0, gateway: null, setting: null }, `is longer than ${LONGEST_FILE} characters`);
    return { ...reading, broken: true };
  }
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  for (const error of document.errors) {
    report(reading, { at: error.pos[0], gateway: null, setting: null }, yamlMessage(error.message));
  }
  if (document.errors.length > 0) return { ...reading, broken: true };
  const list = resolve(document, document.contents);
  if (list === null || (isScalar(list) && list.value === null)) return { ...reading, broken: false };
  if (!isSeq(list)) {
    report(
      reading,
      { at: startOf(list), gateway: null, setting: null },
      'must be a list: each gateway begins with "- id: ..."',
    );
    return { ...reading, broken: true };
  }
  list.items.forEach((item, index) => {
    readEntry(reading, document, item, index);
  });
  return { ...reading, broken: false };
}

/** `config/gateways.yaml:12: gateway "Info mailbox", channel: is "Mail", ...` */
export function formatProblem(problem: GatewayProblem): string {
  const gateway = problem.gateway === null ? '' : ` gateway "${problem.gateway}"`;
  const setting = problem.setting === null ? '' : `${gateway ? ',' : ''} ${problem.setting}`;
  const subject = `${gateway}${setting}`;
  return `${problem.file}:${problem.line}:${subject}${subject ? ': ' : ' '}${problem.message}`;
}

function yamlMessage(message: string): string {
  const advice = /reserved character/.test(message) ? ': put the value in quotes' : '';
  return `is not valid YAML: ${message.replace(/\s+/g, ' ')}${advice}`;
}
