import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { filterOf, type Profile } from '../../ops/containers/profile.ts';
import { DEFAULT_CAPABILITIES, type Grant, NEEDED_CAPABILITIES, specOf } from '../../ops/containers/spec.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const DOCUMENT = read('ops/containers.md');

/** What the forkserver keeps, as its source says it. */
function kept(): string[] {
  const source = read('native/forkserver/src/capabilities.rs').replaceAll(/\/\/.*/g, '');
  const list = /const FORKSERVER: CapabilitySet =([^;]+);/.exec(source)?.[1] ?? '';
  return [...list.matchAll(/CapabilitySet::([A-Z_]+)/g)].map(([, name = '']) => name).sort();
}

it('what a container is said to need is what the forkserver keeps', () => {
  expect(kept().length).toBeGreaterThan(5);
  const table = /<!-- capabilities -->`(.+)`<!-- \/capabilities -->/.exec(DOCUMENT)?.[1]?.split(' ');
  expect(table).toEqual(kept());
  const command = /```sh\n([^`]+)```/.exec(DOCUMENT)?.[1] ?? '';
  const docker = [...command.matchAll(/--cap-add ([A-Z_]+)/g)].map(([, name]) => name);
  expect(docker).toEqual(kept());
  const kubernetes = /add: \[(.+)\]/.exec(DOCUMENT)?.[1]?.split(', ');
  expect(kubernetes).toEqual(kept());
  expect([...NEEDED_CAPABILITIES, 'DAC_READ_SEARCH', 'SYS_ADMIN', 'SYS_PTRACE'].sort()).toEqual(kept());
});

it('all but three of them are there by default', () => {
  const defaults: readonly string[] = DEFAULT_CAPABILITIES;
  expect(kept().filter((name) => !defaults.includes(name))).toEqual(['DAC_READ_SEARCH', 'SYS_ADMIN', 'SYS_PTRACE']);
});

const PROFILE: Profile = {
  defaultAction: 'SCMP_ACT_ERRNO',
  syscalls: [
    { names: ['read', 'mount', 'clone', 'clone3'], action: 'SCMP_ACT_ALLOW' },
    { names: ['chroot'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_SYS_CHROOT'] } },
    { names: ['breakpoint'], action: 'SCMP_ACT_ALLOW', includes: { arches: ['arm'] } },
  ],
};

it('a filter is the part of a profile that holds for its capabilities', () => {
  const names = (capabilities: string[]) =>
    filterOf(PROFILE, capabilities).syscalls.flatMap((rule) => (rule as { names: string[] }).names);
  expect(names(['SYS_ADMIN', 'SYS_CHROOT'])).toEqual(['read', 'mount', 'clone', 'clone3', 'chroot']);
  // The last two: clone without namespaces, and clone3 not there.
  expect(names([])).toEqual(['read', 'clone', 'clone3']);
});

it('each grant changes the container, and nothing else does', () => {
  const spec = (grants: Grant[], uid = 0) => {
    const filter = (capabilities: readonly string[]) => filterOf(PROFILE, capabilities);
    const places = { root: '/r', clone: '/c', modules: '/m', runDir: '/d', cgroup: '/g' };
    return JSON.stringify(specOf({ ...places, uid, args: ['true'], grants, filter }));
  };
  for (const grant of ['SYS_ADMIN', 'DAC_READ_SEARCH', 'SYS_PTRACE', 'seccomp', 'proc', 'cgroups'] as const) {
    expect(spec([grant])).not.toBe(spec([]));
  }
  expect(spec(['SYS_ADMIN', 'SYS_PTRACE'])).not.toContain('CAP_NET_RAW');
  expect(spec([], 1000)).not.toContain('CAP_CHOWN');
});
