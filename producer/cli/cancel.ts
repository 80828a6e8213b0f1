import { EXIT_OK } from './exit-code.ts';
import { writeJson, writeText } from './terminal.ts';
import { onlyId, optionalText, QUEUE_OPTIONS, QUEUE_OPTIONS_HELP, type Verb, withProducer } from './verb.ts';

export const cancel: Verb = {
  summary: 'stop a job, waiting or running',
  help: `bullpen cancel ID

Prints requested, or already-final when the job has ended before. Its result then says how.

  --reason TEXT   why; kept with the request
  --json          {"id", "answer"}
${QUEUE_OPTIONS_HELP}

Examples:
  bullpen cancel hw3-alice-17
  bullpen cancel hw3-alice-17 --reason "wrong input"
`,
  options: { ...QUEUE_OPTIONS, reason: { type: 'string' } },
  run: (call) =>
    withProducer(call, async (producer) => {
      const id = onlyId(call);
      const answer = await producer.job(id).cancel(optionalText(call, 'reason'));
      if (call.values['json'] === true) writeJson(call.stdout, { id, answer });
      else writeText(call.stdout, `${answer}\n`);
      return EXIT_OK;
    }),
};
