import type { JobInput } from '../../producer/index.ts';

/** Processes of a job that does nothing but have them: bash, seven subshells, and six that sleep in each. */
export const TREE = 50;

/** A job of a tree of processes that goes on until it is ended. `token` is in the command line of most of them. */
export function treeJob(token: string): JobInput {
  const script = `: ${token}; for i in {1..7}; do (for j in {1..6}; do sleep 60 & done; wait) & done; wait`;
  const policy = { version: 1 as const, limits: { processes: 64 } };
  return { kind: 'job', version: 1, runtime: 'bash', command: ['/bin/bash', '-c', script], policy };
}
