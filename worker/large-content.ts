import { createHash } from 'node:crypto';
import type { Artifact, OutputStream, Result } from '../schemas/types.ts';

/** Content above this many bytes does not lie in the result document but beside it. */
const INLINE_MAX_BYTES = 64 * 1024;
/** A thousand artifacts just below that would still make a document that holds Redis up: beyond this much together, only tiny ones stay. */
const INLINE_TOTAL_BYTES = 1024 * 1024;
const TINY_BYTES = 1024;

/** A result whose large content is replaced by references, and that content: each blob once, in any order. */
export interface SeparatedResult {
  result: Result;
  blobs: Uint8Array[];
}

/** Takes streams and artifacts above 64 KiB out of a result, and most of what follows the first MiB. */
export function separateLargeContent(result: Result): SeparatedResult {
  const blobs = new Map<string, Uint8Array>();
  let room = INLINE_TOTAL_BYTES;
  const separate = <T extends OutputStream | Artifact>(content: T): T => {
    if (!('bytes' in content)) return content;
    const fits = content.bytes <= INLINE_MAX_BYTES && (content.bytes <= room || content.bytes <= TINY_BYTES);
    if (fits) room -= content.bytes;
    const bytes = fits ? null : contentOf(content);
    if (bytes === null) return content;
    const blob = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    blobs.set(blob, bytes);
    const { text: _text, base64: _base64, ...rest } = content as OutputStream;
    return { ...rest, blob } as T;
  };
  const separated: Result = { ...result };
  if (result.stdout !== undefined) separated.stdout = separate(result.stdout);
  if (result.stderr !== undefined) separated.stderr = separate(result.stderr);
  if (result.build !== undefined) {
    const { stdout, stderr } = result.build;
    separated.build = { ...result.build, stdout: separate(stdout), stderr: separate(stderr) };
  }
  separated.artifacts = result.artifacts.map(separate);
  return { result: separated, blobs: [...blobs.values()] };
}

function contentOf({ text, base64 }: { text?: string; base64?: string }): Buffer | null {
  if (text !== undefined) return Buffer.from(text, 'utf8');
  return base64 === undefined ? null : Buffer.from(base64, 'base64');
}
