// `gatepost render-fax`: writes the document that would be faxed for the send request on standard input.

import { findChromium, findGhostscript } from '../content/fax/process/programs.js';
import { createFaxMaker } from '../content/fax/render/make.js';
import type { Clock } from '../kit/clock.js';
import { GatepostError, messageOf } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import { problemsOf } from '../kit/schema-problems.js';
import type { FaxRules } from '../model/content.js';
import { messageContentInfo } from '../simprot/messages.js';
import { readStdin } from './stdin.js';

/** Bodies with inline images. */
const MAX_INPUT = 128 * 1024 * 1024;
/** For a send request without gateway and recipient. */
const NO_GATEWAY = '00000000-0000-0000-0000-000000000000';
const NO_NUMBER = '0000000';

export interface RenderFaxOptions {
  /** The page images of the line in place of the PDF. */
  tiff?: boolean;
  pageSize: FaxRules['pageSize'];
  resolution: FaxRules['resolution'];
  header?: string;
  station?: string;
  cover?: boolean;
  /** The plain layout, also where there is a browser. */
  plain?: boolean;
}

export async function renderFaxCommand(
  options: RenderFaxOptions,
  { clock, log }: { clock: Clock; log: Log },
  write: (bytes: Uint8Array) => void,
  signal: AbortSignal,
): Promise<number> {
  const sendRequest = readSendRequest((await readStdin(MAX_INPUT)).toString('utf8'));
  const chromium = options.plain ? null : (findChromium(process.env) ?? null);
  const maker = createFaxMaker({ clock, log, chromium, ghostscript: findGhostscript(process.env) ?? null });
  try {
    const result = await maker.compose(sendRequest, rulesOf(options), signal);
    if (!result.ok) {
      throw new GatepostError('send-request/rejected', result.problem, {
        advice: 'correct the send request and try again',
      });
    }
    write(options.tiff ? tiffIn(result.fax) : result.fax.pdf);
    return 0;
  } finally {
    await maker.close();
  }
}

function rulesOf({ tiff, pageSize, resolution, header, station, cover }: RenderFaxOptions): FaxRules {
  const paper = { pageSize, resolution, coverPage: cover === true };
  const documents = tiff ? 'tiff' : 'pdf';
  return { region: undefined, ...paper, documents, header: header ?? station, station };
}

function tiffIn({ tiff }: { tiff: Uint8Array | null }): Uint8Array {
  if (tiff) return tiff;
  throw new GatepostError('fax/no-tiff', 'no TIFF could be made of this fax', {
    advice: 'install Ghostscript (gs), or leave out --tiff',
  });
}

function readSendRequest(text: string) {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new GatepostError('send-request/unreadable', `the send request is not JSON: ${messageOf(error)}`, {
      advice: 'give one JSON object with the members of MessageContentInfo on standard input',
      cause: error,
    });
  }
  const members = typeof json === 'object' && json !== null && !Array.isArray(json) ? json : {};
  const result = messageContentInfo.safeParse({ GatewayId: NO_GATEWAY, RemoteAddress: NO_NUMBER, ...members });
  if (result.success) return result.data;
  throw new GatepostError('send-request/unreadable', `the send request cannot be read: ${problemsOf(result.error)}`, {
    advice: 'see the members of MessageContentInfo',
  });
}
