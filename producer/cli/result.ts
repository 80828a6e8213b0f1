import { parseDuration } from './duration.ts';
import { exitCodeOfOutcome } from './exit-code.ts';
import { showResult } from './show.ts';
import { UsageError } from './usage-error.ts';
import { onlyId, optionalText, QUEUE_OPTIONS, QUEUE_OPTIONS_HELP, type Verb, withProducer } from './verb.ts';

export const result: Verb = {
  summary: 'show the result of a job',
  help: `bullpen result ID [--wait [--timeout 30s]]

Shows what the program wrote and, on stderr, how it ended. Without --wait a job that has not ended is exit code 6.

  --wait          wait for it
  --timeout 30s   with --wait: how long
  --json          the result document
${QUEUE_OPTIONS_HELP}

Examples:
  bullpen result hw3-alice-17
  bullpen result hw3-alice-17 --wait --timeout 30s --json
`,
  options: { ...QUEUE_OPTIONS, wait: { type: 'boolean' }, timeout: { type: 'string' } },
  async run(call) {
    const id = onlyId(call);
    const timeout = optionalText(call, 'timeout');
    const wait = call.values['wait'] === true;
    if (timeout !== undefined && !wait) throw new UsageError('--timeout is about waiting: it needs --wait');
    const timeoutMs = timeout === undefined ? undefined : parseDuration('--timeout', timeout);
    const options = wait ? { ...(timeoutMs !== undefined && { timeoutMs }) } : { timeoutMs: 0 };
    return withProducer(call, async (producer) => {
      const document = await producer.job(id).result(options);
      showResult(document, call, call.values['json'] === true);
      return exitCodeOfOutcome(document.outcome.kind);
    });
  },
};
