import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'gateways/**/*.test.ts', 'src/**/*.test.ts'],
    // Real servers need a moment to come up on a busy two-core machine; the tests themselves wait for facts, not for time.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Forks, because several tests start and end processes of their own.
    pool: 'forks',
    maxWorkers: 2,
  },
});
