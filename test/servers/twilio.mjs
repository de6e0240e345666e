// `node test/servers/twilio.mjs [PORT]` compiles the fake Twilio into dist-bench/ and runs it.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const node = (...args) => spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status ?? 1;

const options = ['--outDir', 'dist-bench', '--rootDir', '.', '--noCheck', '--ignoreConfig'];
const language = ['--module', 'nodenext', '--target', 'ES2022', '--types', 'node', '--skipLibCheck'];
const compiled = node('node_modules/typescript/bin/tsc', 'test/servers/twilio-main.ts', ...options, ...language);
process.exitCode = compiled || node('dist-bench/test/servers/twilio-main.js', ...process.argv.slice(2));
