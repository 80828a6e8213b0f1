// Which of the Rust tests run in the emulated host, and what is not expected of it: data only.
//
// A program's tests must all pass but those that are named, each with its reason. A name that is no test (any more) fails the suite.
// Programs are named CRATE-FILE, as `ops/vm/build-image.sh` lays them into /opt/bullpen/tests.

export interface GuestProgram {
  program: string;
  /** The test file, each with a guest of its own, that runs it. */
  file: string;
  /** Only these tests, by their whole names; all when absent. */
  only?: string[];
  /** Tests that are not run, with the reason. */
  except?: Record<string, string>;
  /** Tests that may fail, with the reason: for a program that can't leave out any. */
  mayFail?: Record<string, string>;
  timeoutMs: number;
}

const SLOW = 'compares real time with a bound that emulation, ten times slower, does not keep';

/** Shared out so that each guest's come to their end in its time, on a machine that has other work too. */
export const PROGRAMS: GuestProgram[] = [
  { program: 'forkserver-bullpen-forkserver-unit', file: 'v2-host', timeoutMs: 20_000 },
  { program: 'sandbox-seccomp_kernel', file: 'v2-host', mayFail: { 'loading is fast': SLOW }, timeoutMs: 30_000 },
  { program: 'forkserver-cgroups', file: 'v2-cgroups', timeoutMs: 90_000 },
  { program: 'forkserver-rootless', file: 'v2-user', timeoutMs: 60_000 },
  { program: 'forkserver-husks', file: 'v2-cgroups', timeoutMs: 60_000 },
  { program: 'forkserver-confine', file: 'v2-host', timeoutMs: 90_000 },
  { program: 'forkserver-stages', file: 'v1', timeoutMs: 20_000 },
  {
    program: 'forkserver-limits',
    file: 'v1-limits',
    except: {
      a_fork_bomb_is_stopped_and_cleaned_up: SLOW,
      cpu_of_all_processes_counts: SLOW,
      cpu_time_is_that_of_the_program: SLOW,
      evidence_of_a_step_is_its_own: SLOW,
      reading_a_file_that_is_larger_than_the_memory_is_harmless:
        'all that can be written there is memory already: no page is read into a cache',
      the_cpu_limit_kills_a_spinner_soon_after: SLOW,
      the_wall_limit_kills_a_sleeper: SLOW,
    },
    timeoutMs: 150_000,
  },
  {
    program: 'forkserver-lifetime',
    file: 'v1',
    only: [
      'a_leaf_is_there_while_its_sandbox_is',
      'closing_the_socket_ends_everything_and_removes_the_leaves',
      'killing_the_worker_kills_everything_within_two_seconds',
      'the_forkserver_keeps_few_capabilities_and_no_group',
      'the_smallest_memory_is_enough_for_a_small_program',
    ],
    timeoutMs: 30_000,
  },
];
