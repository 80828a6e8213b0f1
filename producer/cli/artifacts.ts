import type { CollectedArtifact } from '../../schemas/types.ts';
import { EXIT_OK, EXIT_REFUSED, exitCodeOfOutcome } from './exit-code.ts';
import { SafeDirectory } from './safe-directory.ts';
import { writeJson, writeText } from './terminal.ts';
import { UsageError } from './usage-error.ts';
import { type Call, onlyId, optionalText, QUEUE_OPTIONS, QUEUE_OPTIONS_HELP, type Verb, withProducer } from './verb.ts';

export const artifacts: Verb = {
  summary: 'write the artifacts of a job into a directory',
  help: `bullpen artifacts ID -o DIR

Writes each collected file below DIR (made when missing). Nothing is overwritten and no link is followed; what can't be written
and what the worker did not collect is told on stderr, with exit code 3 for the former.

  -o, --output DIR  where to
  --json            {"path", "bytes"} or {"path", "rejected"} per artifact
${QUEUE_OPTIONS_HELP}

Examples:
  bullpen artifacts hw3-alice-17 -o out
  bullpen artifacts hw3-alice-17 -o out --json
`,
  options: { ...QUEUE_OPTIONS, output: { type: 'string', short: 'o' } },
  async run(call) {
    const id = onlyId(call);
    const output = optionalText(call, 'output');
    if (output === undefined) throw new UsageError('-o DIR is missing: where should the files go?');
    const result = await withProducer(call, (producer) => producer.job(id).result({ timeoutMs: 0 }));
    const directory = await SafeDirectory.open(output);
    let exitCode = exitCodeOfOutcome(result.outcome.kind);
    for (const artifact of result.artifacts) {
      if ('rejected' in artifact) tell(call, { path: artifact.path, rejected: artifact.rejected });
      else exitCode = Math.max(exitCode, await write(call, directory, artifact));
    }
    return exitCode;
  },
};

async function write(call: Call, directory: SafeDirectory, artifact: CollectedArtifact): Promise<number> {
  const { path, text, base64, bytes } = artifact;
  const refusal = await directory.write(
    path,
    text === undefined ? Buffer.from(base64 ?? '', 'base64') : Buffer.from(text),
  );
  tell(call, refusal === null ? { path, bytes } : { path, rejected: refusal });
  return refusal === null ? EXIT_OK : EXIT_REFUSED;
}

function tell(call: Call, entry: { path: string; bytes: number } | { path: string; rejected: string }): void {
  if (call.values['json'] === true) writeJson(call.stdout, entry);
  else if ('bytes' in entry) writeText(call.stdout, `${entry.path}\n`);
  else writeText(call.stderr, `bullpen: not written: ${JSON.stringify(entry.path)}: ${entry.rejected}\n`);
}
