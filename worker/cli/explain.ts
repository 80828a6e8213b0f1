// `bullpen-worker explain`: what would become of a job or a policy on this host. The engine judges; here it is only told.

import { type Issue, parseJob, parsePolicy, RUN_MAX_BYTES } from '../../schemas/parse.ts';
import type { Explanation } from '../../schemas/types.ts';
import { loadSettings, type Settings } from '../config.ts';
import { forOneJob, openEngine } from '../lease.ts';
import { EXIT } from './exit-code.ts';
import { printLine, readDocument } from './streams.ts';
import { type Cell, renderTable } from './table.ts';

export interface ExplainArguments {
  /** Path of the document; `-` is stdin. */
  file: string;
  config: string | null;
  json: boolean;
}

/** Explains a document; answers 0 when it would run, 3 when it would be refused. */
export async function explainDocument({ file, config, json }: ExplainArguments): Promise<number> {
  const settings = loadSettings(config, process.env);
  const document = await readDocument(file, RUN_MAX_BYTES);
  const explanation = await explain(document, settings);
  await printLine(json ? JSON.stringify(explanation) : describe(explanation));
  return explanation.verdict === 'runs' ? EXIT.ok : EXIT.refused;
}

async function explain(document: Uint8Array, settings: Settings): Promise<Explanation> {
  const job = jobOf(document, settings);
  if ('issues' in job) return refused(job.issues);
  const { engine, dropPrivileges } = await openEngine(forOneJob(settings), { drops: true });
  try {
    dropPrivileges();
    return await engine.explain(job.bytes);
  } finally {
    await engine.close();
  }
}

/** The document itself, or a job that does nothing with the policy that it is. */
function jobOf(document: Uint8Array, settings: Settings): { bytes: Uint8Array } | { issues: Issue[] } {
  const job = parseJob(document, { maxBytes: RUN_MAX_BYTES });
  if (job.ok) return { bytes: document };
  if (claimsToBeJob(document)) return { issues: job.issues };
  const policy = parsePolicy(document);
  if (!policy.ok) return { issues: policy.issues };
  const runtime = Object.keys(settings.runtimes)[0] ?? 'bash';
  const around = { kind: 'job', version: 1, runtime, command: ['true'], policy: policy.value };
  return { bytes: Buffer.from(JSON.stringify(around)) };
}

/** Only what can't be a job is taken for a policy. */
function claimsToBeJob(document: Uint8Array): boolean {
  try {
    const value: unknown = JSON.parse(Buffer.from(document).toString('utf8'));
    return typeof value !== 'object' || value === null || 'kind' in value || 'runtime' in value;
  } catch {
    return true;
  }
}

function refused(issues: Issue[]): Explanation {
  const reasons = issues.map(({ path, rule, message }) => ({
    outcome: 'rejected' as const,
    field: path,
    rule,
    layer: null,
    message,
  }));
  const nothing = { policyName: null, policySha256: null, backend: null, containment: [], rules: [], layers: [] };
  return { kind: 'explanation', version: 1, verdict: 'refused', reasons, ...nothing, warnings: [] };
}

function describe(explanation: Explanation): string {
  const { verdict, reasons, containment, rules, warnings } = explanation;
  const held = new Map(explanation.layers.map((layer) => [layer.layer, layer]));
  const layerText = (name: string): string => {
    const layer = held.get(name as (typeof explanation.layers)[number]['layer']);
    const value = layer?.value == null ? '' : ` ${layer.value}`;
    return `${name}${layer?.held ? value : ' DOES NOT HOLD'}`;
  };
  const rows: Cell[][] = rules.map(({ field, value, from, ceiling, layers, by }) => [
    field,
    show(value),
    from,
    ceiling === null ? '' : `at most ${show(ceiling)}`,
    layers.length === 0 ? by : layers.map(layerText).join(', '),
  ]);
  const other = explanation.layers.filter(({ layer }) => !rules.some(({ layers }) => layers.includes(layer)));
  const always: Cell[][] = other.map(({ layer, held: holds, enforces }) => [
    holds ? { text: 'ok', colour: 'green' } : { text: 'FAIL', colour: 'red' },
    layer,
    enforces ?? '',
  ]);
  const parts = [
    rows.length === 0 ? '' : renderTable(rows),
    always.length === 0 ? '' : `For every job\n${renderTable(always)}`,
    containment
      .filter(({ taken }) => !taken)
      .map(({ backend, why }) => `Not taken: ${backend}: ${why.join('; ')}`)
      .join('\n'),
    warnings.map(({ field, message }) => `Warning: ${field}: ${message}`).join('\n'),
    reasons.map(({ outcome, rule, layer, message }) => `${outcome}: ${message} [${rule ?? layer}]`).join('\n'),
    verdict === 'runs' ? `It would run here, in ${explanation.backend}.` : 'It would be refused here.',
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function show(value: Explanation['rules'][number]['value']): string {
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(', ');
  return String(value);
}
