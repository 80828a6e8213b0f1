import { loadSettings } from '../config.ts';
import { createLog } from '../log.ts';
import { WorkerService } from '../serve.ts';
import { EXIT } from './exit-code.ts';

/** `bullpen-worker start`: serves until SIGTERM or SIGINT; a second one ends it at once. Answers 0 after an orderly end. */
export async function startWorker({ config, mixed }: { config: string | null; mixed: boolean }): Promise<number> {
  const settings = loadSettings(config, process.env);
  const log = createLog({ level: settings.logLevel, descriptor: 1 });
  const service = await WorkerService.open(settings, { mixed, log });
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void service.stop().then(resolve));
  });
  try {
    await service.start();
  } catch (error) {
    await service.stop();
    throw error;
  }
  await stopped;
  return EXIT.ok;
}
