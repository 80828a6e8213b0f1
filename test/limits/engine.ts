import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newUid } from '../../protocol/index.ts';
import type { Job, Result } from '../../schemas/types.ts';
import { Engine, type Execution, takeLease } from '../../worker/engine.ts';

type Fields = Partial<Omit<Job, 'policy'>> & { limits: Record<string, number | string> };

/** An engine of one's own in this process, its sandboxes made for each job. */
export class LimitsPen {
  readonly #engine: Engine;
  readonly #runDir: string;
  readonly #worker: string;

  private constructor(engine: Engine, runDir: string, worker: string) {
    this.#engine = engine;
    this.#runDir = runDir;
    this.#worker = worker;
  }

  static async open(): Promise<LimitsPen> {
    const runDir = mkdtempSync(join(tmpdir(), 'bullpen-limits-'));
    const { instance, firstUid, uidCount } = takeLease({ runDir, uids: { first: 740_000, count: 4_096 }, slots: 8 });
    const uids = { first: firstUid, count: uidCount };
    const engine = await Engine.open({ version: 1, slots: 8, runDir, uids, pools: {}, instance });
    return new LimitsPen(engine, runDir, instance);
  }

  /** Begins a job without a main file: its program is one of the root file system's, or one of its files. */
  begin({ limits, ...fields }: Fields): Execution {
    const uid = newUid();
    const job = { kind: 'job', version: 1, runtime: 'bash', policy: { version: 1, limits }, ...fields };
    const context = { uid, epoch: 1, tenant: 'limits', id: uid, queuedUs: 0, worker: this.#worker };
    return this.#engine.run(Buffer.from(JSON.stringify(job)), context);
  }

  run(fields: Fields): Promise<Result> {
    return this.begin(fields).wait();
  }

  async close(): Promise<void> {
    await this.#engine.close();
    rmSync(this.#runDir, { recursive: true, force: true });
  }
}
