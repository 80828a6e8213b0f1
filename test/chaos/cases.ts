// Every fault by its id, and the test that brings it. Ids are fixed names: never renumbered, never used again.

/** The test file below `test/` and words of the test's name; or why there is none here. */
export type FaultPlace = { in: string; test: string } | { elsewhere: string };

const CHAOS = 'chaos/chaos.test.ts';
const ONE = 'chaos/faults.test.ts';
const SERVE = 'unit/worker/serve.test.ts';
const E2E = 'e2e/faults.test.ts';

export const FAULTS: Record<string, FaultPlace> = {
  R01: { in: E2E, test: 'a worker killed by SIGKILL takes the sandbox with it' },
  R02: { in: E2E, test: 'a forkserver killed by SIGKILL takes its sandboxes with it' },
  R03: { in: CHAOS, test: 'every promise holds for' }, // the deed `sandbox killed`
  R04: { in: ONE, test: 'R04' },
  R06: { in: ONE, test: 'R06' },
  R07: { in: CHAOS, test: 'every promise holds for' }, // the deed `Redis killed`
  R08: { in: ONE, test: 'R08' },
  R10: { in: CHAOS, test: 'every promise holds for' }, // `latency` up to 0.4 s: beyond 5 s a connection counts as dead and is replaced
  R11: { in: 'e2e/network.test.ts', test: 'a worker whose connections only look alive notices' },
  R12: { in: 'e2e/full-redis.test.ts', test: 'a full Redis refuses new jobs' },
  R13: { in: ONE, test: 'R13' },
  R14: { in: ONE, test: 'R14' },
  R15: { in: ONE, test: 'R15' },
  R17: {
    elsewhere:
      'a full disk of the job is H07 and H08; one of the host is met by the spool, whose limits have tests of their own',
  },
  R18: {
    elsewhere:
      'limits of the worker itself are left to the operator: nothing brings a worker with 64 descriptors about yet',
  },
  R19: { in: 'e2e/missing-layer.test.ts', test: 'what a worker refuses to serve, it says at start' },
  R20: { in: 'e2e/missing-layer.test.ts', test: 'without %s a job is refused as unavailable' },
  R21: { in: E2E, test: 'a worker killed by SIGKILL takes the sandbox with it' }, // who is out of memory is killed by SIGKILL
  R22: { in: E2E, test: 'SIGTERM: what does not finish within drainMs' },
  R23: { in: 'chaos/crash-points.test.ts', test: 'a worker dies, and every promise holds' },
  R24: { in: 'chaos/forkserver.test.ts', test: 'a forkserver dies, and every promise holds' }, // the point `before-rmdir`
  R25: { in: E2E, test: 'with attempts: 2 the job begins again elsewhere' }, // the other worker has a run directory of its own
  R26: { in: ONE, test: 'R26' },
  R27: { in: 'e2e/dead-letters.test.ts', test: 'what kills its worker three times is parked as poison' },
  R28: { in: CHAOS, test: 'every promise holds for' },
  R30: {
    elsewhere:
      'the audit record and the result are one script: there is no audit sink beside it that could be down alone',
  },
  R31: { elsewhere: 'no process that nothing can kill is to be had here without a file system of its own kind' },
  R32: { elsewhere: 'there are no virtual machines as sandboxes: nothing of a guest kernel can hang' },
  R33: { in: 'contract/reading.test.ts', test: 'a reader tolerates fields that a newer worker writes' },
  R34: { in: SERVE, test: 'waits for Redis at its start' },
  R35: { in: CHAOS, test: 'every promise holds for' }, // its workers share a run directory, and each cleans up at its start
  R36: { in: 'e2e/spool.test.ts', test: 'a result that was changed on disk is refused' },
  R37: { in: 'chaos/races.test.ts', test: 'are cancelled as they end' }, // hundreds of killed leaves, and a job in each slot after them
};
