/**
 * What applies where a document is silent. The numbers are those of the schemas' `default` keywords (a test compares them).
 *
 * A policy's silent fields come from the operator's `defaults`, and what these leave open from `DEFAULT_POLICY`; the engine does that when it
 * plans a job, so here the policy and the ceilings are for reading, explaining and testing.
 */
import type { CeilingLimits, Http, Limits, Policy, Tenants, WorkerConfig } from './types.ts';

/** Limits of a job that asks for none. */
export const DEFAULT_LIMITS: Required<Limits> = {
  wallTimeMs: 10_000,
  cpuTimeMs: 10_000,
  memoryBytes: 268_435_456,
  processes: 64,
  cpuMillis: 1000,
  outputBytes: 1_048_576,
  outputOverflow: 'kill',
  diskBytes: 67_108_864,
  inodes: 10_000,
  openFiles: 256,
  artifacts: 64,
  artifactBytes: 16_777_216,
};

/** The policy of a job that has none: closed wherever there is a choice. */
export const DEFAULT_POLICY = {
  version: 1,
  containment: 'process',
  filesystem: { readonlyPaths: [], readwritePaths: [], deniedPaths: [] },
  network: {
    egress: { default: 'deny', allow: [], deny: [] },
    ingress: { default: 'deny', hostLoopback: 'deny' },
    loopback: 'deny',
  },
  limits: DEFAULT_LIMITS,
  syscalls: 'strict',
  require: ['seccomp'],
} satisfies Required<Policy>;

/** Most of each limit where the operator sets no ceiling. Whatever they allow fits into one result document. */
export const DEFAULT_CEILING_LIMITS: Required<CeilingLimits> = {
  wallTimeMs: 600_000,
  cpuTimeMs: 600_000,
  memoryBytes: 4_294_967_296,
  processes: 1024,
  cpuMillis: 8000,
  outputBytes: 16_777_216,
  diskBytes: 1_073_741_824,
  inodes: 1_000_000,
  openFiles: 4096,
  artifacts: 1024,
  artifactBytes: 67_108_864,
};

/** Weights and caps where nobody says any; the scripts have the same ones built in. */
export const DEFAULT_TENANTS = {
  every: { weight: 1, maxQueuedJobs: 100_000, maxQueuedBytes: 1_073_741_824, maxRunningJobs: null },
  named: {},
  total: { maxQueuedJobs: 1_000_000, maxQueuedBytes: 4_294_967_296, maxRunningJobs: null },
} satisfies Required<Tenants>;

/** The configuration of a worker that has none: no host path, no network, nothing warm. */
export const DEFAULT_WORKER_CONFIG: CompleteWorkerConfig = {
  version: 1,
  redis: 'redis://127.0.0.1:6379',
  redisMayEvict: false,
  queue: 'default',
  slots: 4,
  drainMs: 20_000,
  lockMs: 30_000,
  stalledMs: 5000,
  resultTtlMs: 3_600_000,
  tombstoneTtlMs: 604_800_000,
  backends: ['process'],
  runtimes: {},
  rootFilesystems: {},
  policies: {},
  defaults: DEFAULT_POLICY,
  ceilings: {
    limits: DEFAULT_CEILING_LIMITS,
    syscalls: ['strict', 'compatible'],
    loopback: ['deny', 'private'],
    attempts: 3,
  },
  roots: [],
  pools: {},
  tenants: DEFAULT_TENANTS,
  uids: { first: 200_000, count: 65_536 },
  substitutes: [],
  runDir: '/run/bullpen',
  logLevel: 'info',
};

/** Where a worker that is to have a listener has it when nothing else is said. */
export const DEFAULT_HTTP = { host: '127.0.0.1', port: 9464 } satisfies Http;

/** What has no default: whom the worker becomes (else an id of its lease), its listener (none), and files that only the operator can name. */
type Optional = 'user' | 'http' | 'redisPasswordFile' | 'redisTls' | 'signingKeyFile';

/** Every field, but for those without a default. */
export type CompleteWorkerConfig = Required<Omit<WorkerConfig, Optional>> & Pick<WorkerConfig, Optional>;

/** A configuration with every field there. `defaults` and `ceilings` stay as the operator wrote them: the engine completes these. */
export function completeWorkerConfig(config: WorkerConfig): CompleteWorkerConfig {
  return { ...DEFAULT_WORKER_CONFIG, ...config };
}
