import type { JobInput } from '../../producer/index.ts';
import type { Pen } from './pen.ts';
import type { WorkerProcess } from './worker-process.ts';

export const python = (source: string, fields: Partial<JobInput> = {}): JobInput =>
  ({ kind: 'job', version: 1, runtime: 'python', source, ...fields }) as JobInput;

/** A worker with a listener on a free port, and where that is. */
export async function startListening(
  pen: Pen,
  config: Record<string, unknown> = {},
): Promise<{ worker: WorkerProcess; http: string }> {
  const worker = await pen.startWorker({ http: { port: 0 }, ...config });
  const address = /"http":"([^"]+)"/.exec(worker.log())?.[1];
  if (address === undefined) throw new Error(`no listener:\n${worker.log()}`);
  return { worker, http: `http://${address}` };
}

export async function ask(url: string): Promise<{ status: number; body: string }> {
  const answer = await fetch(url);
  return { status: answer.status, body: await answer.text() };
}

export const statusOf = async (url: string): Promise<number> => (await ask(url)).status;
