// A container as Docker starts one by default, as runc's `config.json`, with what may be granted to it beyond that. Pure.

import type { Filter } from './profile.ts';

/** What can be granted to a container beyond Docker's defaults, least first. */
export type Grant = 'SYS_ADMIN' | 'DAC_READ_SEARCH' | 'SYS_PTRACE' | 'seccomp' | 'proc' | 'cgroups';

/** The capabilities that a container has by default, without `CAP_`. */
export const DEFAULT_CAPABILITIES = [
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
] as const;

/** Those of them that a worker has a use for: `--cap-drop ALL`, then these. */
export const NEEDED_CAPABILITIES = ['CHOWN', 'KILL', 'SETGID', 'SETPCAP', 'SETUID'] as const;

/** What Docker hides, unless `systempaths=unconfined` says otherwise (Kubernetes: `procMount: Unmasked`). */
const MASKED = ['acpi', 'asound', 'kcore', 'keys', 'latency_stats', 'timer_list', 'timer_stats', 'sched_debug', 'scsi'];
const READ_ONLY = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger'];

export interface Container {
  /** A directory with an empty place for each mount. */
  root: string;
  /** The clone, seen at `/opt/bullpen`. */
  clone: string;
  /** Where its packages really are: seen there too, should the clone only link to them. */
  modules: string;
  /** Seen as `/run/bullpen`, which the worker keeps its own files in. */
  runDir: string;
  /** Its control groups, below those of whoever starts it. */
  cgroup: string;
  /** 0, or an ordinary user's. */
  uid: number;
  args: string[];
  grants: readonly Grant[];
  /** Docker's filter for a set of capabilities. */
  filter(capabilities: readonly string[]): Filter;
}

/** The document that `runc run` reads. */
export function specOf(container: Container): object {
  const { root, uid, args, grants, cgroup } = container;
  const granted = grants.filter((grant) => grant === grant.toUpperCase());
  const capabilities = uid === 0 ? [...NEEDED_CAPABILITIES, ...granted] : [];
  const bounding = [...new Set(capabilities)].map((name) => `CAP_${name}`);
  const hidden = grants.includes('proc') ? [] : MASKED.map((name) => `/proc/${name}`).concat('/sys/firmware');
  return {
    ociVersion: '1.0.2',
    process: {
      user: { uid, gid: uid },
      args,
      env: ['PATH=/usr/local/bin:/usr/bin:/bin', 'HOME=/tmp', 'BULLPEN_RUN_DIR=/run/bullpen'],
      cwd: '/opt/bullpen',
      capabilities: { bounding, effective: bounding, permitted: bounding, inheritable: [], ambient: [] },
      noNewPrivileges: false,
    },
    root: { path: root, readonly: true },
    hostname: 'container',
    mounts: mountsOf(container),
    linux: {
      cgroupsPath: cgroup,
      namespaces: ['pid', 'network', 'ipc', 'uts', 'mount', 'cgroup'].map((type) => ({ type })),
      maskedPaths: hidden,
      readonlyPaths: grants.includes('proc') ? [] : READ_ONLY.map((name) => `/proc/${name}`),
      ...(grants.includes('seccomp') ? {} : { seccomp: container.filter(capabilities) }),
      resources: { devices: [{ allow: false, access: 'rwm' }, ...DEVICES] },
    },
  };
}

const DEVICES = [3, 5, 7, 8, 9].map((minor) => ({ allow: true, type: 'c', major: 1, minor, access: 'rwm' }));

function mountsOf({ clone, modules, runDir, grants }: Container): object[] {
  const bind = (source: string, destination: string, access: 'ro' | 'rw') => {
    return { source, destination, type: 'bind', options: ['rbind', access] };
  };
  const made = (destination: string, type: string, options: string[]) => {
    return { source: type, destination, type, options: ['nosuid', ...options] };
  };
  return [
    made('/proc', 'proc', ['nodev', 'noexec']),
    made('/dev', 'tmpfs', ['strictatime', 'mode=755', 'size=65536k']),
    made('/sys', 'sysfs', ['nodev', 'noexec', 'ro']),
    made('/sys/fs/cgroup', 'cgroup', ['nodev', 'noexec', grants.includes('cgroups') ? 'rw' : 'ro']),
    made('/tmp', 'tmpfs', ['nodev', 'mode=1777']),
    ...['/usr', '/etc'].map((place) => bind(place, place, 'ro')),
    bind(clone, '/opt/bullpen', 'ro'),
    bind(modules, modules, 'ro'),
    bind(runDir, '/run/bullpen', 'rw'),
  ];
}
