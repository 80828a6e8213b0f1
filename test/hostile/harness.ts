// Runs the hostile programs: in a sandbox, and for the positive control on the bare host.

import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compareInventories, type Inventory, ofInstances, takeInventory } from '../../ops/inventory.ts';
import { newUid } from '../../protocol/index.ts';
import { checkResult } from '../../schemas/parse.ts';
import type { Job, Result } from '../../schemas/types.ts';
import { Engine, type Execution, type Lease, takeLease } from '../../worker/engine.ts';
import { Canaries, NOBODY } from './canaries.ts';

export const PROGRAMS = fileURLToPath(new URL('../programs/hostile', import.meta.url));
export const MIB = 1024 * 1024;

/** What a probe program answered, attempt by attempt. */
export type Answers = Record<string, unknown>;
export type Limits = Record<string, number | string>;
type JobFields = Partial<Omit<Job, 'policy'>> & { limits?: Limits; policy?: Record<string, unknown> };

const UIDS = { first: 620_000, count: 4_096 };

/** An engine of this test file's own, and the canaries around it. */
export class HostilePen {
  readonly canaries: Canaries;
  readonly lease: Lease;
  readonly runDir: string;
  readonly #engine: Engine;
  readonly #before: Inventory;
  readonly #results: string[] = [];

  private constructor(parts: { canaries: Canaries; lease: Lease; runDir: string; engine: Engine; before: Inventory }) {
    this.canaries = parts.canaries;
    this.lease = parts.lease;
    this.runDir = parts.runDir;
    this.#engine = parts.engine;
    this.#before = parts.before;
  }

  static async open(config: Record<string, unknown> = {}): Promise<HostilePen> {
    const runDir = mkdtempSync(join(tmpdir(), 'bullpen-hostile-run-'));
    const lease = takeLease({ runDir, uids: UIDS, slots: 32 });
    const canaries = await Canaries.plant();
    const before = inventoryOf(runDir, lease);
    const uids = { first: lease.firstUid, count: lease.uidCount };
    const pools = { python: { warm: 'prepared', ready: 2, ttlMs: 600_000 } };
    const engine = await Engine.open({
      version: 1,
      slots: 8,
      runDir,
      uids,
      pools,
      instance: lease.instance,
      ...config,
    });
    return new HostilePen({ canaries, lease, runDir, engine, before });
  }

  /** Begins a job: a whole document's fields, or bytes that need not be a document. */
  start(job: JobFields | string): Execution {
    const uid = newUid();
    const context = { uid, epoch: 1, tenant: 'hostile', id: uid, queuedUs: 0, worker: this.lease.instance };
    const bytes = typeof job === 'string' ? job : JSON.stringify(documentOf(job));
    return this.#engine.run(Buffer.from(bytes), context);
  }

  /** Runs a job to its result, which must be a valid one that holds no secret of ours. */
  async run(job: JobFields | string): Promise<Result> {
    const result = await this.start(job).wait();
    const text = JSON.stringify(result);
    const checked = checkResult(text);
    if (!checked.ok) throw new Error(`not a result document: ${JSON.stringify(checked.issues[0])}`);
    if (contentsOf(result).includes(this.canaries.secret)) throw new Error('a canary came back in a result');
    this.#results.push(text);
    return result;
  }

  /** What one case of a probe program answers inside a sandbox. */
  async probe(program: string, name: string, given: object = {}, more: JobFields = {}): Promise<Answers> {
    const result = await this.run(caseOf(program, name, { given, ...more }));
    if (result.outcome.kind !== 'exited' || result.outcome.exitCode !== 0) {
      throw new Error(`${name}: ${JSON.stringify(result.outcome)} ${result.stderr?.text}`);
    }
    return JSON.parse(result.stdout?.text ?? '') as Answers;
  }

  /** Ends the engine. Nothing on the host may be other than before, and no canary touched. */
  async close(): Promise<string[]> {
    const touched = await this.canaries.touched();
    await this.#engine.close();
    let differences: string[] = [];
    for (let left = 40; left > 0; left -= 1) {
      differences = compareInventories(this.#before, inventoryOf(this.runDir, this.lease));
      if (differences.length === 0) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await this.canaries.remove();
    rmSync(this.runDir, { recursive: true, force: true });
    return [...touched, ...differences];
  }
}

/** The job that runs one case of a probe program. */
export function caseOf(
  program: string,
  name: string,
  { given = {}, ...more }: JobFields & { given?: object },
): JobFields {
  const probe = { path: 'probe.py', text: readProgram('probe.py') };
  return {
    runtime: 'python',
    source: readProgram(program),
    args: [name, JSON.stringify(given)],
    ...more,
    files: [probe, ...(more.files ?? [])],
  };
}

export function readProgram(name: string): string {
  return readFileSync(join(PROGRAMS, name), 'utf8');
}

/** Whom a positive control runs as: an ordinary user, root, or root in throw-away namespaces where it could do harm. */
export type Bare = 'nobody' | 'root' | 'root-apart';

/** What the same case answers on the bare host. */
export async function bare(as: Bare, program: string, name: string, given: object = {}): Promise<Answers> {
  const directory = mkdtempSync(join(tmpdir(), 'bullpen-hostile-bare-'));
  chmodSync(directory, 0o777);
  try {
    for (const file of [program, 'probe.py']) cpSync(join(PROGRAMS, file), join(directory, file));
    const python = ['/usr/bin/python3', '-B', program, name, JSON.stringify(given)];
    const apart = [
      '/usr/bin/unshare',
      '--mount',
      '--net',
      '--ipc',
      '--uts',
      '--pid',
      '--cgroup',
      '--fork',
      '--mount-proc',
    ];
    const [file = '', ...args] = as === 'root-apart' ? [...apart, ...python] : python;
    const env = { PATH: '/usr/bin:/bin', BULLPEN_HOSTILE_CANARY: process.env['BULLPEN_HOSTILE_CANARY'] };
    return JSON.parse(
      await execute(file, args, { cwd: directory, env, ...(as === 'nobody' ? NOBODY : {}) }),
    ) as Answers;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** In this process' background, so that the listeners in it can answer. */
function execute(file: string, args: string[], options: object): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { ...options, encoding: 'utf8', timeout: 20_000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${error.message}\n${stderr}`));
      else resolve(stdout);
    });
  });
}

/** Compiles a C program and runs it on the bare host. */
export function bareC(source: string): { status: number | null; signal: string | null; stdout: string } {
  const directory = mkdtempSync(join(tmpdir(), 'bullpen-hostile-c-'));
  try {
    const built = spawnSync('gcc', ['-O2', '-x', 'c', '-o', join(directory, 'main'), '-'], { input: source });
    if (built.status !== 0) throw new Error(String(built.stderr));
    const { status, signal, stdout } = spawnSync(join(directory, 'main'), { cwd: directory, timeout: 20_000 });
    return { status, signal, stdout: String(stdout) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function documentOf({ limits, policy, ...fields }: JobFields): object {
  return {
    kind: 'job',
    version: 1,
    runtime: 'python',
    policy: { version: 1, ...policy, limits: limits ?? {} },
    ...fields,
  };
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
