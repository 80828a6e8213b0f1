import { readFileSync } from 'node:fs';
import { takeInventory } from '../../ops/inventory.ts';

/** A sandbox's control group, as the host sees it: in the one hierarchy that counts its processes. */
export class Leaf {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** The leaf that a process is in; null when it is in none. */
  static of(pid: number): Leaf | null {
    const { cgroups } = takeInventory({ uids: { first: 0, count: 0 }, directories: [] });
    const path = cgroups.find((each) => processesIn(each).includes(pid));
    return path === undefined ? null : new Leaf(path);
  }

  /** Processes in it; none when it is gone. */
  get processes(): number[] {
    return processesIn(this.#path);
  }
}

function processesIn(path: string): number[] {
  try {
    return readFileSync(`${path}/cgroup.procs`, 'latin1').split('\n').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
