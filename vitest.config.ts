import { defineConfig } from 'vitest/config';

const MINUTE_MS = 60_000;

// Each test meets the real thing: real processes, a private Redis, real sandboxes. Hence processes, not threads, per test file.
export default defineConfig({
  test: {
    passWithNoTests: false,
    allowOnly: false,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          pool: 'forks',
          testTimeout: MINUTE_MS / 2,
          hookTimeout: MINUTE_MS / 2,
        },
      },
      {
        test: {
          name: 'contract',
          include: ['test/contract/**/*.test.ts'],
          pool: 'forks',
          testTimeout: MINUTE_MS,
          hookTimeout: MINUTE_MS,
        },
      },
      {
        test: {
          // Files one after another: they count processes, cgroups and mounts of the machine.
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 2 * MINUTE_MS,
          hookTimeout: 2 * MINUTE_MS,
        },
      },
      {
        test: {
          // Attacks, one file after another: each counts what is left on the machine.
          name: 'hostile',
          include: ['test/hostile/**/*.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: MINUTE_MS,
          hookTimeout: MINUTE_MS,
        },
      },
      {
        test: {
          // After the attacks: reads whole directories of the host.
          name: 'integrity',
          include: ['test/integrity/**/*.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 3 * MINUTE_MS,
          hookTimeout: MINUTE_MS,
        },
      },
      {
        test: {
          // One runtime after another: compilers and a JVM keep both CPUs busy.
          name: 'runtimes',
          include: ['test/runtimes/**/*.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 2 * MINUTE_MS,
          hookTimeout: 5 * MINUTE_MS,
        },
      },
      {
        test: {
          // Parts of the confinement left out; each test runs others, in a process of their own.
          name: 'mutants',
          include: ['test/mutants/**/*.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 5 * MINUTE_MS,
          hookTimeout: 15 * MINUTE_MS,
        },
      },
      {
        test: {
          // Waiting for a Redis that is away: side by side, since none does anything meanwhile.
          name: 'outage',
          include: ['test/outage/**/*.test.ts'],
          pool: 'forks',
          maxWorkers: 2,
          testTimeout: 3 * MINUTE_MS,
          hookTimeout: MINUTE_MS,
        },
      },
      {
        test: {
          // Minutes of faults by chance, then a look at the history.
          name: 'chaos',
          include: ['test/chaos/**/*.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 5 * MINUTE_MS,
          hookTimeout: MINUTE_MS,
        },
      },
      {
        test: {
          name: 'pack',
          include: ['test/pack/**/*.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 3 * MINUTE_MS,
          hookTimeout: 3 * MINUTE_MS,
        },
      },
      {
        test: {
          // Emulated hosts, one at a time: each uses both CPUs of a small machine. The images are made before the first boot.
          name: 'vm',
          include: ['test/vm/**/*.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 3 * MINUTE_MS,
          hookTimeout: 15 * MINUTE_MS,
        },
      },
    ],
  },
});
