import { EXIT_OK } from './exit-code.ts';
import { writeJson, writeText } from './terminal.ts';
import { onlyId, QUEUE_OPTIONS, QUEUE_OPTIONS_HELP, type Verb, withProducer } from './verb.ts';

export const state: Verb = {
  summary: 'show where a job is',
  help: `bullpen state ID

  --json          everything that is known
${QUEUE_OPTIONS_HELP}

Examples:
  bullpen state hw3-alice-17
  bullpen state hw3-alice-17 --tenant acme --json
`,
  options: QUEUE_OPTIONS,
  run: (call) =>
    withProducer(call, async (producer) => {
      const id = onlyId(call);
      const found = await producer.job(id).state();
      if (call.values['json'] === true) writeJson(call.stdout, found);
      else writeText(call.stdout, `${found.state}\n`);
      return EXIT_OK;
    }),
};
