import { constants } from 'node:fs';
import { lstat, mkdir, open, realpath } from 'node:fs/promises';
import { join } from 'node:path';

const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const SEGMENT_MAX_BYTES = 255;
const SEGMENTS_MAX = 64;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const UNSAFE = /[\u0000-\u001f\u007f\\]/;

/**
 * A directory into which files of untrusted names are written. Names can't leave it, links are not followed, nothing is overwritten.
 * It is the caller's own: someone else who changes it meanwhile is not defended against.
 */
export class SafeDirectory {
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
  }

  /** Makes the directory when it is missing. Its own path is the user's: links in it are fine. */
  static async open(path: string): Promise<SafeDirectory> {
    await mkdir(path, { recursive: true });
    return new SafeDirectory(await realpath(path));
  }

  /** Writes a new file; null when it is written, else why it was refused. Throws only when the file system fails (disk full). */
  async write(path: string, bytes: Uint8Array): Promise<string | null> {
    const segments = path.split('/');
    if (!isSafe(segments)) return 'bad-name';
    const name = segments.pop() ?? '';
    let parent = this.#root;
    for (const segment of segments) {
      parent = join(parent, segment);
      if (!(await isOwnDirectory(parent))) return 'in-the-way';
    }
    return writeNew(join(parent, name), bytes);
  }
}

function isSafe(segments: string[]): boolean {
  const fits = (segment: string): boolean => Buffer.byteLength(segment) <= SEGMENT_MAX_BYTES && !UNSAFE.test(segment);
  return segments.length <= SEGMENTS_MAX && segments.every((s) => s !== '' && s !== '.' && s !== '..' && fits(s));
}

/** A real directory, made here if there is nothing; never a link to one. */
async function isOwnDirectory(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    return (await lstat(path)).isDirectory();
  }
}

async function writeNew(path: string, bytes: Uint8Array): Promise<string | null> {
  try {
    const file = await open(path, NEW_FILE, 0o644);
    try {
      await file.writeFile(bytes);
    } finally {
      await file.close();
    }
    return null;
  } catch (error) {
    if (codeOf(error) === 'EEXIST' || codeOf(error) === 'ELOOP') return 'exists';
    throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
