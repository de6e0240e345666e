// Secret references in gateway settings: `${env:GATEPOST_SECRET_NAME}` and `${file:name}`, resolved on this side
// only. Nothing else of the machine can be reached through gateway settings.
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { GatepostError, messageOf } from '../../kit/errors.js';

export interface Secrets {
  /** The value behind a reference; any other text is returned as it is. Throws `secret/forbidden` or `secret/missing`. */
  resolve(text: string): string;
}

export interface SecretSource {
  env: Readonly<Record<string, string | undefined>>;
  folder: string;
}

const REFERENCE = /^\$\{(env|file):([^}]*)\}$/;
const ENV_PREFIX = 'GATEPOST_SECRET_';
/** Flat names only: no separators, no leading dot, so that no path can be built. */
const FILE_NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;
/** A password or key is far below; anything larger is not a secret file. */
const MAX_FILE_BYTES = 64 * 1024;

export const isReference = (text: string): boolean => REFERENCE.test(text);

/** The name of the variable or file behind a reference; undefined for any other text. */
export const referenceName = (text: string): string | undefined => REFERENCE.exec(text)?.[2];

export function secretsFrom({ env, folder }: SecretSource): Secrets {
  return {
    resolve(text) {
      const [, kind, name = ''] = REFERENCE.exec(text) ?? [];
      if (kind === undefined) return text;
      return kind === 'env' ? fromEnvironment(env, name) : fromFile(folder, name);
    },
  };
}

function fromEnvironment(env: SecretSource['env'], name: string): string {
  if (!name.startsWith(ENV_PREFIX)) {
    throw new GatepostError(
      'secret/forbidden',
      `\${env:${name}} cannot be used: only variables that start with ${ENV_PREFIX} can`,
      {
        advice: `put the value into ${ENV_PREFIX}... of the connector's environment`,
      },
    );
  }
  const value = env[name];
  if (value) return value;
  throw new GatepostError('secret/missing', `\${env:${name}} is not set in the connector's environment`, {
    advice: `start gatepost with ${name} set`,
  });
}

function fromFile(folder: string, name: string): string {
  if (!FILE_NAME.test(name)) {
    throw new GatepostError(
      'secret/forbidden',
      `\${file:${name}} cannot be used: it must be a plain file name inside the secrets folder`,
      {
        advice: 'use letters, digits, dot, dash and underscore only',
      },
    );
  }
  try {
    const path = realpathSync(join(folder, name));
    if (!path.startsWith(realpathSync(folder) + sep)) {
      throw new GatepostError('secret/forbidden', `\${file:${name}} leads out of the secrets folder`);
    }
    const { size } = statSync(path);
    if (size > MAX_FILE_BYTES) throw new Error(`it has ${size} bytes, at most ${MAX_FILE_BYTES} are read`);
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    if (error instanceof GatepostError) throw error;
    throw new GatepostError('secret/missing', `\${file:${name}} cannot be read from ${folder}: ${messageOf(error)}`, {
      advice: 'put the secret into a file of that name there',
      cause: error,
    });
  }
}
