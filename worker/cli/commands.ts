import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigError } from '../config.ts';
import { packageRoot } from '../package-root.ts';
import { EXIT } from './exit-code.ts';
import { HELP, UsageError } from './usage.ts';

const FLAGS = {
  config: { type: 'string' },
  containment: { type: 'string' },
  json: { type: 'boolean', default: false },
  mixed: { type: 'boolean', default: false },
} as const;

type Flag = keyof typeof FLAGS;

/** What a command was given, checked: only its own flags, exactly its own operands. */
interface Arguments {
  config: string | null;
  containment: string | null;
  json: boolean;
  mixed: boolean;
  operands: string[];
}

/** Runs the command that the arguments name and answers its exit code; every error ends here, as one message on stderr. */
export async function runCommand(argv: readonly string[]): Promise<number> {
  try {
    return await dispatch(argv);
  } catch (error) {
    if (error instanceof UsageError) return complain(`${error.message}\nTry: bullpen-worker --help`, EXIT.usage);
    if (error instanceof ConfigError) return complain(error.message, EXIT.usage);
    return complain(error instanceof Error ? error.message : String(error), EXIT.failed);
  }
}

/** Each command loads only what it needs: `run` starts sooner without the queue's libraries. */
async function dispatch([command, ...rest]: readonly string[]): Promise<number> {
  if (rest.includes('--help') || rest.includes('-h')) return dispatch(['--help']);
  switch (command) {
    case 'start': {
      const { config, mixed } = read(rest, ['config', 'mixed'], 0);
      const { startWorker } = await import('./start.ts');
      return startWorker({ config, mixed });
    }
    case 'check': {
      const { config, json } = read(rest, ['config', 'json'], 0);
      const { checkHost } = await import('./check.ts');
      return checkHost({ config, json });
    }
    case 'run': {
      const { config, containment, json, operands } = read(rest, ['config', 'containment', 'json'], 1);
      const { runDocument } = await import('./run.ts');
      return runDocument({ file: operands[0] ?? '-', config, containment, json });
    }
    case 'explain': {
      const { config, json, operands } = read(rest, ['config', 'json'], 1);
      const { explainDocument } = await import('./explain.ts');
      return explainDocument({ file: operands[0] ?? '-', config, json });
    }
    case 'tenant': {
      const { governTenants } = await import('./tenant.ts');
      return governTenants(rest);
    }
    case '--help':
    case '-h':
    case 'help':
      process.stdout.write(HELP);
      return EXIT.ok;
    case '--version':
      process.stdout.write(`${version()}\n`);
      return EXIT.ok;
    default:
      throw new UsageError(command === undefined ? 'which command?' : `unknown command: ${command}`);
  }
}

function read(argv: string[], allowed: readonly Flag[], operandCount: number): Arguments {
  const options = Object.fromEntries(allowed.map((flag) => [flag, FLAGS[flag]]));
  const { values, positionals } = parse(argv, options);
  if (positionals.length !== operandCount) {
    throw new UsageError(operandCount === 1 ? 'exactly one document: FILE or -' : `unexpected: ${positionals[0]}`);
  }
  return {
    config: typeof values['config'] === 'string' ? values['config'] : null,
    containment: typeof values['containment'] === 'string' ? values['containment'] : null,
    json: values['json'] === true,
    mixed: values['mixed'] === true,
    operands: positionals,
  };
}

function parse(
  argv: string[],
  options: Partial<typeof FLAGS>,
): { values: Record<string, unknown>; positionals: string[] } {
  try {
    return parseArgs({ args: argv, options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function version(): string {
  const document = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string };
  return document.version;
}

function complain(message: string, code: number): number {
  process.stderr.write(`bullpen-worker: ${message}\n`);
  return code;
}
