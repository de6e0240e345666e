import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { DRAWING, limited } from './limited.js';

export type Environment = Readonly<Record<string, string | undefined>>;

const CHROMIUM = {
  names: ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome.exe'],
  places: [
    '/usr/bin',
    '/snap/bin',
    '/opt/google/chrome',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    'C:\\Program Files\\Google\\Chrome\\Application',
  ],
};
const GHOSTSCRIPT = { names: ['gs', 'gswin64c.exe'], places: ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin'] };

export function findChromium(env: Environment): string | undefined {
  return find(CHROMIUM, env);
}

export function findGhostscript(env: Environment): string | undefined {
  return find(GHOSTSCRIPT, env);
}

function find({ names, places }: typeof CHROMIUM, env: Environment): string | undefined {
  const folders = [...(env.PATH ?? '').split(delimiter).filter((folder) => folder !== ''), ...places];
  const files = folders.flatMap((folder) => [...names.map((name) => join(folder, name)), folder]);
  return files.find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** sharp is installed without its optional package for this machine. */
export const PICTURES_MISSING = 'the library for pictures is not installed: npm install --include=optional sharp';

/** Programs that read files of strangers get no secret of the environment. */
export function minimalEnvironment(env: Environment): Record<string, string> {
  const names = ['PATH', 'HOME', 'TMPDIR', 'TEMP', 'SYSTEMROOT', 'FONTCONFIG_FILE', 'FONTCONFIG_PATH'];
  return Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
}

/** Characters of a program's output that an error message holds. */
const MAX_OUTPUT = 2_000;

/** Rejects with the signal's reason, after killing the program, and with the output of the program when it fails. */
export function runProgram(
  file: string,
  args: readonly string[],
  { cwd, env, signal }: { cwd: string; env: Environment; signal: AbortSignal },
): Promise<void> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const child = spawn(...limited(file, args, DRAWING), {
      cwd,
      env: minimalEnvironment(env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const kill = () => child.kill('SIGKILL');
    signal.addEventListener('abort', kill, { once: true });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (bytes) => {
        output = (output + String(bytes)).slice(0, MAX_OUTPUT);
      });
    }
    child.on('error', reject);
    child.on('close', (code, killedBy) => {
      signal.removeEventListener('abort', kill);
      if (signal.aborted) reject(signal.reason);
      else if (code === 0) resolve();
      else reject(new Error(`${file} ended with ${killedBy ?? `code ${code}`}: ${output.trim() || 'no output'}`));
    });
  });
}
