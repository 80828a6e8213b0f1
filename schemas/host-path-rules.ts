/**
 * Rules for the host paths of a policy, and for the directories of a configuration below which they may be. `P` is where the policy stands.
 * Only names are judged here; what lies there is seen when a sandbox is made (`missing`, `symlink`, `file-type`, `hard-link`, …), and what
 * the operator allows by the engine (`outside-roots`, `ceiling`, and `reserved-path` for what the runtime or the worker has).
 *
 * | rule             | path                                    | refused                                                                    |
 * |------------------|-----------------------------------------|----------------------------------------------------------------------------|
 * | `path`           | `P.filesystem.LIST[i]`, `roots[i].path` | not absolute and normalised (no empty, `.` or `..` segment, no trailing `/`); control characters; above 4095 bytes, or 255 a segment |
 * | `reserved-path`  | the same                                | `/`; `/dev`, `/etc`, `/proc`, `/tmp`, `/work` or below; unless in `deniedPaths`, `/sys` or below |
 * | `duplicate-path` | `roots[i].path`                         | equal to an earlier one                                                    |
 * | `size`           | `P.filesystem`                          | the paths of all three lists together above 24576 bytes                    |
 */
import { fieldOf, type Issue, issue, itemOf } from './issue.ts';
import type { Filesystem, HostRoot } from './types.ts';

/** All paths of a policy together. Bytes of UTF-8. */
const LISTS_MAX_BYTES = 24_576;
/** Directories that the sandbox has of its own, whatever its root file system. */
const OWN = ['dev', 'etc', 'proc', 'tmp', 'work'];

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is for
const CONTROL = /[\u0000-\u001f\u007f]/;
const PATH =
  'must be an absolute path of at most 4095 bytes and 255 a segment, without empty, . or .. segments and control characters';
const OWN_PLACE =
  "must not be / and not in /dev, /etc, /proc, /tmp, /work: there the sandbox has something of its own, and nothing of the host's";
const KERNEL = 'must not be in /sys: it is never granted';
const TOGETHER = 'must leave its paths together at 24576 bytes or less';

/** The three lists of a policy. */
export function checkHostPaths(path: string, filesystem: Filesystem = {}): Issue[] {
  const lists = (['readonlyPaths', 'readwritePaths', 'deniedPaths'] as const).map(
    (name) => [name, filesystem[name] ?? []] as const,
  );
  const found = lists.flatMap(([name, list]) =>
    list.flatMap((one, index) => judge(itemOf(fieldOf(path, name), index), one, name !== 'deniedPaths')),
  );
  const bytes = lists.flatMap(([, list]) => list).reduce((sum, one) => sum + Buffer.byteLength(one), 0);
  return bytes > LISTS_MAX_BYTES ? [...found, issue(path, 'size', TOGETHER)] : found;
}

/** The directories below which paths may be granted. */
export function checkRoots(roots: readonly HostRoot[]): Issue[] {
  return roots.flatMap(({ path }, index) => {
    const field = `${itemOf('roots', index)}.path`;
    const found = judge(field, path, true);
    if (found.length > 0 || roots.findIndex((other) => other.path === path) === index) return found;
    return [issue(field, 'duplicate-path', 'must not be there twice')];
  });
}

function judge(field: string, path: string, grants: boolean): Issue[] {
  if (path === '/') return [issue(field, 'reserved-path', OWN_PLACE)];
  const names = path.slice(1).split('/');
  if (Buffer.byteLength(path) > 4095 || CONTROL.test(path) || !names.every(isName)) return [issue(field, 'path', PATH)];
  const [top = ''] = names;
  if (OWN.includes(top)) return [issue(field, 'reserved-path', OWN_PLACE)];
  return grants && top === 'sys' ? [issue(field, 'reserved-path', KERNEL)] : [];
}

function isName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && Buffer.byteLength(name) <= 255;
}
