import { type ParseArgsConfig, parseArgs } from 'node:util';
import { startTracing } from '../../tracing/export.ts';
import { createProducer, type Producer, type ProducerOptions } from '../index.ts';
import { readAccess } from './access.ts';
import { type Output, writeText } from './terminal.ts';
import { UsageError } from './usage-error.ts';

/** Option values as given: strings, switches, and lists of what may be repeated. */
export type Values = Record<string, string | boolean | (string | boolean)[] | undefined>;

/** One invocation: what was asked, and where to answer. */
export interface Call {
  readonly values: Values;
  readonly positionals: string[];
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdout: Output;
  readonly stderr: Output;
}

/** A word after `bullpen`. */
export interface Verb {
  /** One line for the overview. */
  readonly summary: string;
  /** What `bullpen VERB --help` prints, examples included. */
  readonly help: string;
  /** Options beside `--help` and `--json`, in the form of `util.parseArgs`. */
  readonly options: NonNullable<ParseArgsConfig['options']>;
  /** Does it and answers with the exit code. Throws `UsageError` and the producer's errors. */
  run(call: Call): Promise<number>;
}

/** Options of every verb that talks to Redis. */
export const QUEUE_OPTIONS = {
  redis: { type: 'string' },
  queue: { type: 'string' },
  tenant: { type: 'string' },
} as const satisfies Verb['options'];

export const QUEUE_OPTIONS_HELP = `  --redis URL     default: $BULLPEN_REDIS, or the file that $BULLPEN_REDIS_FILE names, else redis://127.0.0.1:6379
  --queue NAME    default: $BULLPEN_QUEUE, else default
  --tenant NAME   default: default

Files named by the environment: BULLPEN_REDIS_PASSWORD_FILE, BULLPEN_SIGNING_KEY_FILE (jobs are signed with its first key),
BULLPEN_REDIS_CA_FILE, BULLPEN_REDIS_CERT_FILE and BULLPEN_REDIS_KEY_FILE (PEM, for rediss://).`;

const ANY_VERB_OPTIONS = { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } as const;

/** Reads the words after the verb. Throws `UsageError` for an unknown option or a missing value. */
export function parseCall(verb: Verb, args: string[]): Pick<Call, 'values' | 'positionals'> {
  try {
    const options = { ...verb.options, ...ANY_VERB_OPTIONS };
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true, strict: true });
    return { values: values as Values, positionals };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** The option's value; undefined when it was not given. */
export function optionalText(call: Call, option: string): string | undefined {
  const value = call.values[option];
  return typeof value === 'string' ? value : undefined;
}

/** Runs `work` with a producer made from the call's options, and closes it. */
export async function withProducer<T>(call: Call, work: (producer: Producer) => Promise<T>): Promise<T> {
  const stopTracing = await startTracing('bullpen', process.env).catch((error: Error) => {
    throw new UsageError(error.message);
  });
  const producer = openProducer(call, stopTracing !== null);
  try {
    return await work(producer);
  } finally {
    await producer.close();
    await stopTracing?.();
  }
}

function openProducer(call: Call, tracing: boolean): Producer {
  const tenant = optionalText(call, 'tenant');
  return refuseAsUsage(() =>
    createProducer({ ...queueOptions(call), tracing, ...(tenant !== undefined && { tenant }) }),
  );
}

/** Where the queue is and what is needed to be let in, from the call and the environment. Warns of files that everybody may read. */
export function queueOptions(call: Call): ProducerOptions {
  const { options, warnings } = readAccess(optionalText(call, 'redis'), process.env);
  for (const warning of warnings) writeText(call.stderr, `bullpen: warning: ${warning}\n`);
  return { ...options, queue: optionalText(call, 'queue') ?? process.env['BULLPEN_QUEUE'] ?? 'default' };
}

/** What `make` makes of options; one that it refuses is the caller's wrong usage. */
export function refuseAsUsage<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message.replace('createProducer: option ', '--'));
    throw error;
  }
}

/** The one job id that a verb takes. */
export function onlyId(call: Call): string {
  const [id, ...more] = call.positionals;
  if (id === undefined || more.length > 0) throw new UsageError('give exactly one job id');
  return id;
}
