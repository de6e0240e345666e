import { defineConfig } from 'vitest/config';
import { requireServers } from './test/require-servers.js';

export default defineConfig({
  test: {
    // Unit tests stand beside the code; test/ holds what needs several parts or real servers.
    include: ['src/**/*.test.ts', 'gateways/**/*.test.ts', 'test/**/*.test.ts'],
    // Real servers need a moment to start on a busy two-core machine; no test waits for time itself.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Forks, because several tests start and end processes of their own.
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default', ...(process.env.REQUIRE_SERVERS === '1' ? [requireServers()] : [])],
  },
});
