// Starts `npm run bench`: compiles the measurements into dist-bench/ and runs them. What is measured is the
// built product in dist/, started by its own command line.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const node = (...args) => spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status ?? 1;

const compiled = node('node_modules/typescript/bin/tsc', '-p', 'test/bench/tsconfig.json');
process.exitCode = compiled || node('dist-bench/test/bench/main.js', ...process.argv.slice(2));
