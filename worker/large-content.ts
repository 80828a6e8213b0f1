import { createHash } from 'node:crypto';
import type { Artifact, OutputStream, Result } from '../schemas/types.ts';

/** Content above this many bytes does not lie in the result document but beside it. */
const INLINE_MAX_BYTES = 64 * 1024;

/** A result whose large content is replaced by references, and that content: each blob once, in any order. */
export interface SeparatedResult {
  result: Result;
  blobs: Uint8Array[];
}

/** Takes streams and artifacts above 64 KiB out of a result. */
export function separateLargeContent(result: Result): SeparatedResult {
  const blobs = new Map<string, Uint8Array>();
  const separate = <T extends OutputStream | Artifact>(content: T): T => {
    const bytes = largeContentOf(content);
    if (bytes === null) return content;
    const blob = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    blobs.set(blob, bytes);
    const { text: _text, base64: _base64, ...rest } = content as OutputStream;
    return { ...rest, blob } as T;
  };
  const separated: Result = { ...result, artifacts: result.artifacts.map(separate) };
  if (result.stdout !== undefined) separated.stdout = separate(result.stdout);
  if (result.stderr !== undefined) separated.stderr = separate(result.stderr);
  if (result.build !== undefined) {
    const { stdout, stderr } = result.build;
    separated.build = { ...result.build, stdout: separate(stdout), stderr: separate(stderr) };
  }
  return { result: separated, blobs: [...blobs.values()] };
}

function largeContentOf(content: OutputStream | Artifact): Buffer | null {
  if (!('bytes' in content) || content.bytes <= INLINE_MAX_BYTES) return null;
  if (content.text !== undefined) return Buffer.from(content.text, 'utf8');
  return content.base64 === undefined ? null : Buffer.from(content.base64, 'base64');
}
