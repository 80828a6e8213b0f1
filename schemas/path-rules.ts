/**
 * Rules for paths and patterns. Bytes are those of UTF-8; a control character is U+0000 to U+001F or U+007F.
 *
 * Workspace path (rule `path`): 1 to 4096 bytes; no control character, no `\`; between its `/` at most 64 segments, each of 1 to 255 bytes
 * and none `.` or `..` (so no leading, trailing or double `/`).
 *
 * Pattern (rule `path`, checked first): 1 to 1024 bytes; no control character; no empty, `.` or `..` segment.
 * Pattern (rule `glob`): no `\`; `**` only as a whole segment; each `[` closed by a `]` in its segment. A class is `[`, an optional `!` or `^`,
 * then one or more members up to `]`; a `]` that comes first is a member. A member is a character or a range `a-b` with a ≤ b; a `-` that comes
 * first or last is a member. Braces, and a `]` outside a class, are literal.
 */

import { type Issue, issue, itemOf } from './issue.ts';
import type { InputFile } from './types.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is for
const CONTROL = /[\u0000-\u001f\u007f]/;
const HIDDEN_DIRECTORY = /^\/(?:proc|sys|dev)(?:\/|$)/;

const bytesOf = (text: string): number => Buffer.byteLength(text);
const isDotted = (segment: string): boolean => segment === '' || segment === '.' || segment === '..';

/** `cwd`: absolute, normalised, and not where the kernel's own file systems are. */
export function checkWorkingDirectory(path: string, cwd: string): Issue[] {
  const segments = cwd.slice(1).split('/');
  const normal = cwd === '/' || (cwd.startsWith('/') && !segments.some(isDotted));
  if (normal && !CONTROL.test(cwd) && bytesOf(cwd) <= 4096 && !HIDDEN_DIRECTORY.test(cwd)) return [];
  return [
    issue(
      path,
      'path',
      'must be an absolute path of at most 4096 bytes without empty, . or .. segments, and not /proc, /sys, /dev or below',
    ),
  ];
}

/** The paths of a job's files, one by one and against each other. */
export function checkWorkspacePaths(files: readonly InputFile[]): Issue[] {
  const taken = { files: new Set<string>(), directories: new Set<string>() };
  return files.flatMap(({ path }, index) => {
    const field = `${itemOf('files', index)}.path`;
    if (!isWorkspacePath(path)) return [issue(field, 'path', WORKSPACE_PATH)];
    if (claim(path, taken)) return [];
    return [
      issue(
        field,
        'duplicate-path',
        'must not collide with another file: not the same, not above or below it, in any case or Unicode form',
      ),
    ];
  });
}

const WORKSPACE_PATH =
  'must be a relative path below /work: at most 4096 bytes and 64 segments of 255 bytes, no empty, . or .. segment, no backslash, no control character';

function isWorkspacePath(path: string): boolean {
  const segments = path.split('/');
  if (bytesOf(path) > 4096 || segments.length > 64) return false;
  return !CONTROL.test(path) && !path.includes('\\') && !segments.some((one) => isDotted(one) || bytesOf(one) > 255);
}

/** Takes a file's path and all directories above it. Returns false if one of them is taken as the other kind, or the file twice. */
function claim(path: string, taken: { files: Set<string>; directories: Set<string> }): boolean {
  const folded = path.normalize('NFC').toLowerCase().normalize('NFC');
  if (taken.files.has(folded) || taken.directories.has(folded)) return false;
  for (let slash = folded.indexOf('/'); slash >= 0; slash = folded.indexOf('/', slash + 1)) {
    const directory = folded.slice(0, slash);
    if (taken.files.has(directory)) return false;
    taken.directories.add(directory);
  }
  taken.files.add(folded);
  return true;
}

/** The patterns of `artifacts`. */
export function checkPatterns(patterns: readonly string[]): Issue[] {
  return patterns.flatMap((pattern, index) => {
    const field = itemOf('artifacts', index);
    const segments = pattern.split('/');
    if (bytesOf(pattern) > 1024 || CONTROL.test(pattern) || segments.some(isDotted)) {
      return [
        issue(
          field,
          'path',
          'must be a pattern below /work: at most 1024 bytes, no empty, . or .. segment, no control character',
        ),
      ];
    }
    if (!pattern.includes('\\') && segments.every(isGlobSegment)) return [];
    return [
      issue(
        field,
        'glob',
        'must use only *, ? and closed [...] within a segment, ** as a whole segment, and no backslash',
      ),
    ];
  });
}

function isGlobSegment(segment: string): boolean {
  if (segment === '**') return true;
  if (segment.includes('**')) return false;
  const characters = [...segment];
  for (let at = characters.indexOf('['); at >= 0; at = characters.indexOf('[', at)) {
    const start = at + (characters[at + 1] === '!' || characters[at + 1] === '^' ? 2 : 1);
    const end = characters.indexOf(']', start + 1);
    if (end < 0 || !hasOrderedRanges(characters.slice(start, end))) return false;
    at = end + 1;
  }
  return true;
}

function hasOrderedRanges(members: string[]): boolean {
  for (let at = 0; at < members.length; at += 1) {
    const [from, dash, to, next, end] = members.slice(at, at + 5);
    if (dash !== '-' || to === undefined || from === undefined) continue;
    if ((from.codePointAt(0) ?? 0) > (to.codePointAt(0) ?? 0)) return false;
    // `a-c-e`: matchers disagree about what that is.
    if (next === '-' && end !== undefined) return false;
    at += 2;
  }
  return true;
}
