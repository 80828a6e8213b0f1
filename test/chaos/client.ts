import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobHandle, Producer } from '../../producer/index.ts';
import type { Result } from '../../schemas/types.ts';
import type { Asked, Seen } from './history.ts';
import type { Plan } from './plans.ts';

const RETRY_MS = 100;
/** Longer than anything that is promised: a job without a result by then is looked at in the end. */
const PATIENCE_MS = 120_000;

/** Does to one job what its plan says, and writes down what it asked and what it was told. */
export class Client {
  readonly plan: Plan;
  readonly asked: Asked[] = [];
  /** Results that are not what the program says. */
  readonly wrong: string[] = [];
  outcome: string | null = null;

  constructor(plan: Plan) {
    this.plan = plan;
  }

  /** From the submission to the first result. Throws nothing that Redis or the network could cause. */
  async live(producer: Producer): Promise<void> {
    const { job, givesUp, cancelAfterMs } = this.plan;
    const handle = await this.#insist('submit', givesUp ? 1 : null, () => producer.submit(job));
    if (handle === null) return;
    const cancelled = cancelAfterMs === null ? null : this.#cancel(handle, cancelAfterMs);
    await this.read(producer);
    await cancelled;
  }

  /** Reads the result, and waits for it. */
  async read(producer: Producer): Promise<void> {
    const timeoutMs = PATIENCE_MS;
    const result = await this.#insist(
      'read',
      null,
      () => producer.job(this.plan.job.id).result({ timeoutMs }),
      (answer) => ({ seen: seenOf(answer) }),
    );
    if (result === null) return;
    this.outcome = result.outcome.kind;
    if (result.outcome.kind !== 'exited') return;
    const { stdout } = result;
    const text = stdout !== undefined && 'text' in stdout ? stdout.text : null;
    if (result.outcome.exitCode !== 0 || text !== this.plan.says) {
      this.wrong.push(`${JSON.stringify(result.outcome)} ${JSON.stringify(text)?.slice(0, 200)}`);
    }
  }

  async #cancel(handle: JobHandle, afterMs: number): Promise<void> {
    await sleep(afterMs);
    await this.#insist(
      'cancel',
      null,
      () => handle.cancel(),
      (answer) => ({ answer }),
    );
  }

  /** Whatever Redis does: asked again, at most `tries` times. Null without an answer. */
  async #insist<T>(
    what: Asked['what'],
    tries: number | null,
    act: () => Promise<T>,
    tell: (answer: T) => Pick<Asked, 'seen' | 'answer'> = () => ({}),
  ): Promise<T | null> {
    for (let n = 1; ; n++) {
      this.#note({ what, phase: 'invoke' });
      try {
        const answer = await act();
        this.#note({ what, phase: 'ok', ...tell(answer) });
        return answer;
      } catch (error) {
        this.#note({ what, phase: phaseOf(error) });
        if (codeOf(error) !== 'queue-unavailable' || n === tries) return null;
      }
      await sleep(RETRY_MS);
    }
  }

  #note(entry: Omit<Asked, 'from' | 'at'>): void {
    this.asked.push({ from: 'client', at: performance.now(), ...entry });
  }
}

/** Throws what is neither an answer nor the lack of one. */
function phaseOf(error: unknown): 'no' | 'info' {
  const code = codeOf(error);
  if (code === 'queue-unavailable') return (error as { accepted: string }).accepted === 'no' ? 'no' : 'info';
  if (code === 'wait-timeout') return 'info';
  throw error;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function seenOf(result: Result): Seen {
  const digest = createHash('sha256').update(JSON.stringify(result)).digest('hex');
  return { digest, epoch: result.epoch, outcome: result.outcome.kind };
}
