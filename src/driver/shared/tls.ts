import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { GatepostError, messageOf } from '../../kit/errors.js';

export type PemKind = 'certificate' | 'private key';

export interface PemFile {
  /** The setting or configuration key that names the file, for the error. */
  readonly setting: string;
  readonly path: string;
  /** A relative path counts from this folder. */
  readonly folder: string;
  readonly kind: PemKind;
}

/** Every label that OpenSSL reads: `TRUSTED CERTIFICATE`, `X509 CERTIFICATE`, `EC PRIVATE KEY`, `ENCRYPTED PRIVATE KEY`, ... */
const LABELS: Readonly<Record<PemKind, RegExp>> = {
  certificate: /-----BEGIN (?:[A-Z0-9]+ )?CERTIFICATE-----/,
  'private key': /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/,
};

/** The text of a PEM file. Throws a GatepostError that names the setting and the file when it holds nothing usable. */
export async function readPem({ setting, path, folder, kind }: PemFile): Promise<string> {
  const file = resolve(folder, path);
  const text = await readFile(file, 'utf8').catch((cause) => {
    throw new GatepostError('tls/pem', `${setting}: cannot read ${file}: ${messageOf(cause)}`, {
      advice: `name an existing PEM file in ${setting} and let the user that runs Gatepost read it`,
      cause,
    });
  });
  if (LABELS[kind].test(text)) return text;
  throw new GatepostError('tls/pem', `${setting}: ${file} holds no ${kind} in PEM form`, {
    advice: `name a file in ${setting} with a line like -----BEGIN ${kind.toUpperCase()}-----`,
  });
}

/** The authority to trust in place of the public ones; undefined when the setting is absent. */
export async function readCa(
  path: string | undefined,
  folder: string,
  setting = 'CaFile',
): Promise<string | undefined> {
  return path ? readPem({ setting, path, folder, kind: 'certificate' }) : undefined;
}
