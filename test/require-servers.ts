import type { Reporter, TestModule } from 'vitest/node';

/**
 * Fails the run when a test was skipped because its real server or program is missing. Continuous integration installs all of
 * them, so there a skipped test is a fault. The conformance suite skips what a driver cannot do; those skips are allowed.
 */
export function requireServers(): Reporter {
  return {
    onTestRunEnd(modules: readonly TestModule[]) {
      const skipped = modules
        .filter(({ moduleId }) => !moduleId.endsWith('conformance.test.ts'))
        .flatMap((module) =>
          [...module.children.allTests('skipped')].map((test) => `${module.moduleId}: ${test.fullName}`),
        );
      if (skipped.length === 0) return;
      process.stderr.write(`REQUIRE_SERVERS=1, but ${skipped.length} tests were skipped:\n  ${skipped.join('\n  ')}\n`);
      process.exitCode = 1;
    },
  };
}
