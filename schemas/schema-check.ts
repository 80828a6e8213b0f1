/** The schemas compiled, and their verdicts in our words. Nothing is coerced, no default is filled in. */
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import audit from './audit.schema.json' with { type: 'json' };
import auditReport from './audit-report.schema.json' with { type: 'json' };
import checkReport from './check.schema.json' with { type: 'json' };
import explanation from './explanation.schema.json' with { type: 'json' };
import { fieldOf, type Issue, issue, itemOf } from './issue.ts';
import job from './job.schema.json' with { type: 'json' };
import offer from './offer.schema.json' with { type: 'json' };
import policy from './policy.schema.json' with { type: 'json' };
import result from './result.schema.json' with { type: 'json' };
import terms from './terms.schema.json' with { type: 'json' };
import type {
  AuditRecord,
  AuditReport,
  CheckReport,
  Explanation,
  Job,
  Policy,
  Result,
  WorkerConfig,
  WorkerOffer,
} from './types.ts';
import workerConfig from './worker-config.schema.json' with { type: 'json' };

type Documents = {
  job: Job;
  policy: Policy;
  result: Result;
  audit: AuditRecord;
  'worker-config': WorkerConfig;
  explanation: Explanation;
  offer: WorkerOffer;
  check: CheckReport;
  'audit-report': AuditReport;
};

/** A kind of document that has a schema. */
export type DocumentKind = keyof Documents;

/** The schema files by document kind; `terms` are the definitions that these share. */
export const SCHEMAS = {
  terms,
  policy,
  job,
  result,
  audit,
  'worker-config': workerConfig,
  explanation,
  offer,
  check: checkReport,
  'audit-report': auditReport,
};

/** `closed` refuses unknown fields; `open` is for reading what a newer version may have written. */
type Openness = 'closed' | 'open';

const compiled = new Map<Openness, Ajv2020>();

/** The check of one kind of document; compiled at first use. */
export function schemaCheck<K extends DocumentKind>(kind: K, openness: Openness): ValidateFunction<Documents[K]> {
  const ajv = compiled.get(openness) ?? load(openness);
  const check = ajv.getSchema<Documents[K]>(SCHEMAS[kind].$id);
  if (check === undefined) throw new Error(`no schema for ${kind}`);
  return check;
}

function load(openness: Openness): Ajv2020 {
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, verbose: true, messages: false, ownProperties: true });
  ajv.addVocabulary(['unit', 'attribution']);
  for (const schema of Object.values(SCHEMAS)) ajv.addSchema(openness === 'closed' ? schema : withoutClosing(schema));
  compiled.set(openness, ajv);
  return ajv;
}

function withoutClosing<T>(schema: T): T {
  const open = JSON.stringify(schema, (key, value) => (key === 'additionalProperties' ? undefined : value));
  return JSON.parse(open) as T;
}

/** The issues of a document that `check` has just refused. */
export function issuesOf(check: ValidateFunction, document: unknown): Issue[] {
  return (check.errors ?? []).filter(({ keyword }) => keyword !== 'if').map((error) => translate(error, document));
}

function translate(error: ErrorObject, document: unknown): Issue {
  const place = pathOf(error.instancePath, document);
  const { missingProperty, additionalProperty } = error.params;
  if (error.keyword === 'required') return issue(fieldOf(place, missingProperty), 'required', 'must be there');
  if (error.keyword === 'additionalProperties') {
    return issue(
      fieldOf(place, additionalProperty),
      error.keyword,
      `is not a field here: ${namesOf(error.parentSchema ?? {})}`,
    );
  }
  return issue(place, error.keyword, allowedBy(error));
}

/** `/files/0/path` as `files[0].path`: the document tells whether 0 is an item or a name. */
function pathOf(pointer: string, document: unknown): string {
  let path = '';
  let value = document;
  for (const escaped of pointer.split('/').slice(1)) {
    const name = escaped.replaceAll('~1', '/').replaceAll('~0', '~');
    path = Array.isArray(value) ? itemOf(path, Number(name)) : fieldOf(path, name);
    value = (value as Record<string, unknown>)[name];
  }
  return path;
}

type Rules = NonNullable<ErrorObject['parentSchema']>;

function namesOf({ properties, patternProperties }: Rules): string {
  const names = Object.keys(properties ?? {});
  const patterns = Object.keys(patternProperties ?? {});
  if (patterns.length > 0) return `a name must match ${patterns.join(' or ')}`;
  return names.length === 0 ? 'none is allowed' : `allowed are ${names.join(', ')}`;
}

/** What the schema allows where `error` was found. */
function allowedBy({ keyword, parentSchema = {}, schema, params }: ErrorObject): string {
  const { minimum, maximum, unit, minItems = 0, maxItems } = parentSchema;
  if (minimum !== undefined && ['type', 'minimum', 'maximum'].includes(keyword)) {
    return `must be an integer between ${minimum} and ${maximum}${unit === undefined ? '' : ` (${unit})`}`;
  }
  const allowed: Record<string, () => string> = {
    type: () => `must be ${[schema].flat().join(' or ')}`,
    enum: () => `must be one of ${[schema].flat().join(', ')}`,
    const: () => `must be ${JSON.stringify(schema)}`,
    pattern: () => `must match ${schema}: ${parentSchema.description ?? ''}`,
    maxLength: () => `must be at most ${schema} characters long`,
    minItems: () => `must have ${minItems} to ${maxItems} items`,
    maxItems: () => `must have ${minItems} to ${maxItems} items`,
    maxProperties: () => `must have at most ${schema} fields`,
    uniqueItems: () => `must not have the same item twice: items ${params.j} and ${params.i}`,
  };
  return allowed[keyword]?.() ?? `must satisfy ${keyword}`;
}
