// The system call filter that a container gets by default: a profile as container engines write them, for one set of capabilities. Pure.
// Debian has Podman's profile as a file; what Docker's refuses beyond it is written down here.

/** A rule for some calls, where the container has (or lacks) some capabilities. */
interface Rule {
  names: string[];
  action: string;
  args?: object[] | null;
  errnoRet?: number;
  includes?: Condition;
  excludes?: Condition;
}

interface Condition {
  arches?: string[];
  caps?: string[];
  minKernel?: string;
}

/** A profile in the format of Docker and Podman. */
export interface Profile {
  defaultAction: string;
  defaultErrnoRet?: number;
  syscalls: Rule[];
}

/** What runc reads as `linux.seccomp`. */
export interface Filter {
  defaultAction: string;
  defaultErrnoRet: number;
  architectures: string[];
  syscalls: object[];
}

const EPERM = 1;
/** Calls that Docker's own profile allows only with `CAP_SYS_ADMIN`. Podman's has most of them for everybody. */
const ADMIN_ONLY = new Set(
  `bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount open_tree
  perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare`.split(/\s+/),
);
/** The flags of `clone` that make a namespace. */
const NAMESPACES = 0x7e02_0000;
/** What is left of them: `clone` without namespaces, and libraries that fall back from `clone3` to it. */
const WITHOUT_ADMIN = [
  {
    names: ['clone'],
    action: 'SCMP_ACT_ALLOW',
    args: [{ index: 0, value: NAMESPACES, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
  },
  { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 },
];

/** The rules of a profile that hold on x86-64 with these capabilities (without `CAP_`). */
export function filterOf(profile: Profile, capabilities: readonly string[]): Filter {
  const has = (name: string) => capabilities.includes(name.replace('CAP_', ''));
  const holds = ({ includes = {}, excludes = {} }: Rule) =>
    (includes.arches?.includes('amd64') ?? true) &&
    (includes.caps ?? []).every(has) &&
    !excludes.arches?.includes('amd64') &&
    !(excludes.caps ?? []).some(has);
  const isAdmin = has('SYS_ADMIN');
  const rules = profile.syscalls.filter(holds).map(({ names, action, args, errnoRet }) => ({
    names: isAdmin ? names : names.filter((name) => !ADMIN_ONLY.has(name)),
    action,
    ...(args ? { args } : {}),
    ...(errnoRet === undefined ? {} : { errnoRet }),
  }));
  return {
    defaultAction: profile.defaultAction,
    defaultErrnoRet: profile.defaultErrnoRet ?? EPERM,
    architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
    syscalls: [...rules.filter(({ names }) => names.length > 0), ...(isAdmin ? [] : WITHOUT_ADMIN)],
  };
}
