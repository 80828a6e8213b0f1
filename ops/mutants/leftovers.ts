// What a mutant leaves on the machine that the whole confinement would have taken away: processes, and the leaves they were in

import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

const CGROUPS = '/sys/fs/cgroup';
/** Who is alive uses its leaves meanwhile, or has none. */
const STILL_MS = 1_000;

/** Kills programs of ours that outlived their test: they carry `mark` in their environment. */
export function killMarked(mark: string): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`${mark}\0`)) process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** Directories of instances, in every hierarchy. */
export function instances(): string[] {
  const hierarchies = [CGROUPS, ...readdirSync(CGROUPS).map((name) => join(CGROUPS, name))];
  const houses = hierarchies.map((place) => join(place, 'bullpen')).filter((house) => existsSync(house));
  return houses.flatMap((house) => directoriesIn(house));
}

/** Removes what is new since `before` and has leaves without a process in them, now and a second later. */
export async function removeAbandoned(before: readonly string[]): Promise<void> {
  const seen = instances().filter((instance) => !before.includes(instance) && isAbandoned(instance));
  const leaves = new Map(seen.map((instance) => [instance, directoriesIn(instance).join()]));
  if (leaves.size > 0) await new Promise((resolve) => setTimeout(resolve, STILL_MS));
  for (const [instance, then] of leaves) {
    if (isAbandoned(instance) && directoriesIn(instance).join() === then) remove(instance);
  }
}

function isAbandoned(instance: string): boolean {
  const leaves = directoriesIn(instance);
  return leaves.length > 0 && leaves.every((leaf) => processesIn(leaf) === '');
}

function processesIn(leaf: string): string {
  try {
    return readFileSync(join(leaf, 'cgroup.procs'), 'utf8');
  } catch {
    return '';
  }
}

function directoriesIn(place: string): string[] {
  try {
    const entries = readdirSync(place, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(place, name));
  } catch {
    return [];
  }
}

function remove(instance: string): void {
  try {
    for (const place of [...directoriesIn(instance), instance]) rmdirSync(place);
  } catch {
    // Somebody is in it after all.
  }
}
