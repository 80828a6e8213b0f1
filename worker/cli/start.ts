import { type StopTracing, startTracing } from '../../tracing/export.ts';
import { loadSettings, type Settings } from '../config.ts';
import { type LeasedEngine, openEngine } from '../lease.ts';
import { createLog } from '../log.ts';
import { WorkerService } from '../serve.ts';
import type { JobWatcher } from '../signals/watch.ts';
import { EXIT } from './exit-code.ts';

/**
 * `bullpen-worker start`: serves until SIGTERM or SIGINT; a second one ends it at once. Answers 0 after an orderly end, 7 when it
 * could run no job any more and must be started again. Started as root, it becomes an ordinary user before it speaks to anybody.
 */
export async function startWorker({ config, mixed }: { config: string | null; mixed: boolean }): Promise<number> {
  const settings = loadSettings(config, process.env);
  const log = createLog({ level: settings.logLevel, descriptor: 1 });
  const tracing = await traceWhereToldTo();
  const service = await WorkerService.open(settings, { mixed, log, host: openAndDrop, watchers: tracing.watchers });
  const stopped = new Promise<number>((resolve) => {
    const end = (code: number) =>
      void service
        .stop()
        .then(tracing.stop)
        .then(() => resolve(code));
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => end(EXIT.ok));
    void service.lost().then(() => end(EXIT.lost));
  });
  try {
    await service.start();
  } catch (error) {
    await service.stop();
    throw error;
  }
  return stopped;
}

/** Spans, where OTEL_EXPORTER_OTLP_ENDPOINT says where to. */
async function traceWhereToldTo(): Promise<{ watchers: JobWatcher[]; stop: StopTracing }> {
  const stop = await startTracing('bullpen-worker', process.env);
  if (stop === null) return { watchers: [], stop: async () => undefined };
  const { JobSpans } = await import('../signals/attempt-spans.ts');
  return { watchers: [new JobSpans()], stop };
}

function openAndDrop(settings: Settings): Promise<LeasedEngine> {
  return openEngine(settings, { drops: true });
}
