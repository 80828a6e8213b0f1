// Runs the hostile programs: in a sandbox, and for the positive control on the bare host.

import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { compareInventories, type Inventory, ofInstances, takeInventory } from '../../ops/inventory.ts';
import { newUid } from '../../protocol/index.ts';
import { checkResult } from '../../schemas/parse.ts';
import type { Result } from '../../schemas/types.ts';
import { Engine, type Execution, type Lease, takeLease } from '../../worker/engine.ts';
import { Canaries } from './canaries.ts';
import { compareHostStates, type HostState, takeHostState } from './host-state.ts';
import { Neighbour, neighbourJob } from './neighbour.ts';
import { type Answers, documentOf, type JobFields, jobOf } from './programs.ts';
import type { SharedFiles } from './witness.ts';

export { type Bare, onHost } from './on-host.ts';
export * from './programs.ts';

export const MIB = 1024 * 1024;

/** A range that no other pen on this machine has, in all likelihood: leases of different directories don't see each other. */
const UIDS = { first: 620_000 + 64 * randomInt(1_000), count: 64 };

/** The host before the first job. */
interface Before {
  inventory: Inventory;
  state: HostState;
  shared: SharedFiles;
}

/** An engine of this test file's own, and the canaries around it. */
export class HostilePen {
  readonly canaries: Canaries;
  readonly lease: Lease;
  readonly runDir: string;
  readonly #engine: Engine;
  readonly #before: Before;
  #neighbour: Neighbour | null = null;

  private constructor(parts: { canaries: Canaries; lease: Lease; runDir: string; engine: Engine; before: Before }) {
    this.canaries = parts.canaries;
    this.lease = parts.lease;
    this.runDir = parts.runDir;
    this.#engine = parts.engine;
    this.#before = parts.before;
  }

  /** The pen of one test file, with a neighbour in it: closed after the file's last test, and then nothing may be touched. */
  static async ofFile(config: Record<string, unknown> = {}): Promise<HostilePen> {
    const pen = await HostilePen.open({ pools: { python: { warm: 'prepared', ready: 1, ttlMs: 600_000 } }, ...config });
    afterAll(async () => expect(await pen.close()).toEqual([]));
    await pen.settle();
    return pen;
  }

  /** Begins the other tenant's job. */
  async settle(): Promise<void> {
    const { secret } = this.canaries;
    const execution = this.#run(JSON.stringify(neighbourJob(secret)), 'neighbour');
    this.#neighbour = await Neighbour.settle(execution, secret);
  }

  /** Which canaries were touched, a line each. */
  async touched(): Promise<string[]> {
    return [...(await this.canaries.touched()), ...(this.#neighbour?.touched() ?? [])];
  }

  static async open(config: Record<string, unknown> = {}): Promise<HostilePen> {
    const runDir = mkdtempSync(join(tmpdir(), 'bullpen-hostile-run-'));
    const lease = takeLease({ runDir, uids: UIDS, slots: 32 });
    const canaries = await Canaries.plant();
    const inventory = inventoryOf(runDir, lease);
    const before = { inventory, state: takeHostState(UIDS), shared: await canaries.sharedFiles() };
    const uids = { first: lease.firstUid, count: lease.uidCount };
    const pools = { python: { warm: 'prepared', ready: 2, ttlMs: 600_000 } };
    const engine = await Engine.open({
      version: 1,
      slots: 9,
      runDir,
      uids,
      pools,
      instance: lease.instance,
      ...config,
    }).catch(async (error: unknown) => {
      await canaries.remove();
      rmSync(runDir, { recursive: true, force: true });
      throw error;
    });
    return new HostilePen({ canaries, lease, runDir, engine, before });
  }

  /** Process id of the other tenant's job, as the host knows it. */
  get neighbour(): number {
    return this.#neighbour?.pid ?? 0;
  }

  /** Begins a job: a whole document's fields, or bytes that need not be a document. */
  start(job: JobFields | string): Execution {
    return this.#run(typeof job === 'string' ? job : JSON.stringify(documentOf(job)), 'hostile');
  }

  #run(document: string, tenant: string): Execution {
    const uid = newUid();
    const context = { uid, epoch: 1, tenant, id: uid, queuedUs: 0, worker: this.lease.instance };
    return this.#engine.run(Buffer.from(document), context);
  }

  /** Runs a job to its result, which must be a valid one that holds no secret of ours. */
  async run(job: JobFields | string): Promise<Result> {
    const result = await this.start(job).wait();
    const checked = checkResult(JSON.stringify(result));
    if (!checked.ok) throw new Error(`not a result document: ${JSON.stringify(checked.issues[0])}`);
    if (contentsOf(result).includes(this.canaries.secret)) throw new Error('a canary came back in a result');
    return result;
  }

  /** Runs a program, however it ends. */
  attack(program: string, more: JobFields & { given?: object } = {}): Promise<Result> {
    return this.run(jobOf(program, more));
  }

  /** What a program answers inside a sandbox. */
  async ask(program: string, given: object = {}, more: JobFields = {}): Promise<Answers> {
    return answersOf(program, await this.attack(program, { given, ...more }));
  }

  /** Ends the engine. Nothing on the host may be other than before, and no canary touched. */
  async close(): Promise<string[]> {
    const touched = await this.touched();
    await this.#neighbour?.leave();
    await this.#engine.close();
    let differences: string[] = [];
    for (let left = 40; left > 0; left -= 1) {
      differences = await this.#differences();
      if (differences.length === 0) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await this.canaries.remove();
    rmSync(this.runDir, { recursive: true, force: true });
    return [...touched, ...differences];
  }

  async #differences(): Promise<string[]> {
    const { inventory, state, shared } = this.#before;
    const now = await this.canaries.sharedFiles();
    return [
      ...compareInventories(inventory, inventoryOf(this.runDir, this.lease)),
      ...compareHostStates(state, takeHostState(UIDS)),
      ...Object.keys(shared)
        .filter((path) => String(shared[path]) !== String(now[path]))
        .map((path) => `changed: ${path}`),
    ];
  }
}

function answersOf(name: string, { outcome, stdout, stderr }: Result): Answers {
  if (outcome.kind !== 'exited' || outcome.exitCode !== 0) {
    throw new Error(`${name}: ${JSON.stringify(outcome)} ${stderr?.text}`);
  }
  return JSON.parse(stdout?.text ?? '') as Answers;
}

/** What became of each artifact, by its path: its text, `base64`, or why it was rejected. */
export function entriesOf({ artifacts }: Result): Record<string, unknown> {
  return Object.fromEntries(artifacts.map((one) => ['path' in one ? one.path : '', verdictOf(one)]));
}

function verdictOf(one: object): unknown {
  if ('rejected' in one) return one.rejected;
  return 'text' in one ? one.text : 'base64';
}

/** Everything of a result that came from the guest, decoded. */
function contentsOf({ stdout, stderr, artifacts }: Result): string {
  const contents = [stdout, stderr, ...artifacts] as ({ text?: string; base64?: string } | undefined)[];
  return contents.map((one) => one?.text ?? Buffer.from(one?.base64 ?? '', 'base64').toString('latin1')).join('\n');
}

function inventoryOf(runDir: string, lease: Lease): Inventory {
  const uids = { first: lease.firstUid, count: lease.uidCount };
  return ofInstances(takeInventory({ uids, directories: [runDir] }), [lease.instance]);
}
