import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  completeWorkerConfig,
  DEFAULT_CEILING_LIMITS,
  DEFAULT_HTTP,
  DEFAULT_POLICY,
  DEFAULT_WORKER_CONFIG,
} from '../../schemas/defaults.ts';
import { generateTypes } from '../../schemas/generate.ts';
import { parsePolicy, parseWorkerConfig } from '../../schemas/parse.ts';
import { SCHEMAS } from '../../schemas/schema-check.ts';
import { ATTRIBUTION_OF, BACKENDS, LAYERS, OUTCOME_KINDS, UNAVAILABLE_LAYERS } from '../../schemas/types.ts';

type Schema = { [keyword: string]: unknown };

const isObject = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Every schema inside `value`, with a path that says where; values of `enum`, `const` and `default` are none. */
function* schemasIn(value: unknown, path: string): Generator<{ path: string; schema: Schema }> {
  if (Array.isArray(value)) for (const [index, item] of value.entries()) yield* schemasIn(item, `${path}/${index}`);
  if (!isObject(value)) return;
  yield { path, schema: value };
  for (const [key, inner] of Object.entries(value)) {
    if (!['enum', 'const', 'default', 'required'].includes(key)) yield* schemasIn(inner, `${path}/${key}`);
  }
}

const everySchema = Object.entries(SCHEMAS).flatMap(([file, schema]) => [...schemasIn(schema, file)]);
const isCondition = (path: string): boolean => /\/(if|then|else)(\/|$)/.test(path);

test('the generated types are what the schemas say', async () => {
  expect(readFileSync(new URL('../../schemas/types.ts', import.meta.url), 'utf8')).toBe(await generateTypes());
});

test('every property and definition is described', () => {
  const named = everySchema.filter(
    ({ path }) => /\/(properties|patternProperties|\$defs)\/[^/]+$/.test(path) && !isCondition(path),
  );
  expect(named.length).toBeGreaterThan(150);
  expect(named.filter(({ schema }) => typeof schema.description !== 'string').map(({ path }) => path)).toEqual([]);
});

test('every integer has its range and unit, and its description tells the range', () => {
  const integers = everySchema.filter(({ schema }) => [schema.type].flat().includes('integer'));
  expect(integers.length).toBeGreaterThan(50);
  const tells = ({ schema }: { schema: Schema }): boolean =>
    typeof schema.unit === 'string' &&
    [schema.minimum, schema.maximum].every(
      (bound) => Number.isSafeInteger(bound) && String(schema.description).includes(String(bound)),
    );
  expect(integers.filter((one) => !tells(one)).map(({ path }) => path)).toEqual([]);
});

test('every object is closed, but for those that only tell branches apart', () => {
  const objects = everySchema.filter(
    ({ path, schema }) => [schema.type].flat().includes('object') && !isCondition(path),
  );
  const open = objects.filter(({ schema }) => schema.additionalProperties !== false).map(({ path }) => path);
  expect(open).toEqual([
    'job/properties/policy',
    'result/$defs/outcome',
    'result/$defs/artifact',
    'audit/properties/body',
  ]);
});

test('every list and free text is bounded', () => {
  const lists = everySchema.filter(({ schema }) => schema.type === 'array' && schema.maxItems === undefined);
  expect(lists.map(({ path }) => path)).toEqual([]);
  const isFree = ({ schema }: { schema: Schema }) =>
    [schema.type].flat().includes('string') &&
    schema.maxLength === undefined &&
    schema.pattern === undefined &&
    schema.allOf === undefined;
  const texts = everySchema.filter((one) => isFree(one) && !isCondition(one.path)).map(({ path }) => path);
  expect(texts).toEqual([
    'result/$defs/outputStream/properties/text',
    'result/$defs/collectedArtifact/properties/text',
  ]);
});

test('every reference is to a file by its place beside, so that it resolves offline', () => {
  const references = everySchema.map(({ schema }) => schema.$ref).filter((ref) => typeof ref === 'string');
  const known = Object.values(SCHEMAS).map(({ $id }) => $id.split('/').at(-1));
  for (const reference of references) expect(['', ...known]).toContain(reference.split('#')[0]);
});

test('patterns are plain enough for both languages: ASCII, anchored, no look-around, no back reference', () => {
  const patterns = everySchema.flatMap(({ schema }) => [
    schema.pattern,
    ...Object.keys((schema.patternProperties as object) ?? {}),
  ]);
  for (const pattern of patterns.filter((one) => typeof one === 'string')) {
    expect(pattern).toMatch(/^\^[ -~]+$/);
    expect(pattern).not.toMatch(/\(\?|\\[1-9bBdDsSwWpPuk]/);
  }
});

/** What the `default` keywords of a schema's properties say, through references. */
function defaultsOf(schema: Schema): object {
  const properties = Object.entries((schema.properties as Record<string, Schema>) ?? {});
  return Object.fromEntries(
    properties.flatMap(([name, property]) => {
      if (property.default !== undefined) return [[name, property.default]];
      if (property.const !== undefined) return [[name, property.const]];
      if (typeof property.$ref !== 'string') return [];
      const inner = defaultsOf(lookUp(property.$ref, schema));
      return Object.keys(inner).length > 0 ? [[name, inner]] : [];
    }),
  );
}

function lookUp(reference: string, from: Schema): Schema {
  const name = reference.split('/$defs/')[1];
  if (name === undefined) return SCHEMAS.policy;
  const home = Object.values(SCHEMAS).find(
    ({ $defs }: { $defs?: object }) => Object.values($defs ?? {}).includes(from) || $defs === from.$defs,
  );
  const file = reference.startsWith('#')
    ? home
    : Object.values(SCHEMAS).find(({ $id }) => $id.endsWith(reference.split('#')[0] ?? ''));
  return (file as { $defs: Record<string, Schema> }).$defs[name] as Schema;
}

test('the documented defaults are those of the schemas', () => {
  expect(DEFAULT_POLICY).toEqual(defaultsOf(SCHEMAS.policy));
  expect({ ...DEFAULT_WORKER_CONFIG, http: DEFAULT_HTTP }).toEqual(defaultsOf(SCHEMAS['worker-config']));
});

test('the defaults are documents that their own door accepts', () => {
  expect(parsePolicy(JSON.stringify(DEFAULT_POLICY)).ok).toBe(true);
  expect(parseWorkerConfig(JSON.stringify(DEFAULT_WORKER_CONFIG)).ok).toBe(true);
  expect(completeWorkerConfig({ version: 1, slots: 2 })).toEqual({ ...DEFAULT_WORKER_CONFIG, slots: 2 });
});

test('no default is above its ceiling', () => {
  for (const [name, ceiling] of Object.entries(DEFAULT_CEILING_LIMITS)) {
    expect(DEFAULT_POLICY.limits[name as keyof typeof DEFAULT_CEILING_LIMITS]).toBeLessThanOrEqual(ceiling);
  }
});

test('every kind of outcome has its definition and its attribution', () => {
  expect(Object.keys(ATTRIBUTION_OF)).toEqual([...OUTCOME_KINDS]);
  const eight = OUTCOME_KINDS.slice(0, 8).map((kind) => ATTRIBUTION_OF[kind]);
  expect(eight).toEqual(Array.from({ length: 8 }, () => 'guest'));
});

test('what can be unavailable is a layer, a backend or the runtime', () => {
  expect(UNAVAILABLE_LAYERS).toEqual([...LAYERS, ...BACKENDS, 'runtime']);
});

test('the built-in runtimes are a worker configuration', () => {
  const catalogue = readFileSync(new URL('../../native/sandbox/runtimes.json', import.meta.url));
  expect(parseWorkerConfig(catalogue)).toMatchObject({ ok: true });
});
