// A checkpoint becomes a file: written aside, synced, and given a name that nobody has.

import { link, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { checkpointFileName } from '../audit/checkpoint-files.ts';

/** Writes the checkpoint with this number durably. @throws EEXIST when there is one: another process writes to this directory. */
export async function writeCheckpoint(directory: string, number: number, note: Uint8Array): Promise<string> {
  const file = join(directory, checkpointFileName(number));
  const aside = `${file}.${process.pid}.part`;
  const handle = await open(aside, 'w', 0o644);
  try {
    await handle.writeFile(note);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    // Unlike a renaming, this never replaces what is there.
    await link(aside, file);
  } finally {
    await rm(aside);
  }
  await syncDirectory(directory);
  return file;
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
