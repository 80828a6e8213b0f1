import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { explainByOffer } from '../../producer/explain.ts';
import { newUid } from '../../protocol/index.ts';
import { checkExplanation, checkOffer, type Parsed, readOffer } from '../../schemas/parse.ts';
import type { Explanation, Job, Result, WorkerOffer } from '../../schemas/types.ts';
import { loadSettings, type Settings } from '../../worker/config.ts';
import type { Engine } from '../../worker/engine.ts';
import { forOneJob, openEngine } from '../../worker/lease.ts';
import { offerOf } from '../../worker/offer.ts';
import { Pen } from '../helpers/pen.ts';
import { CLONE } from '../helpers/readme.ts';

const directory = mkdtempSync('/var/tmp/bullpen-explain-');
const granted = join(directory, 'granted');
const configFile = join(directory, 'worker.json');
let engine: Engine;
let settings: Settings;
let offer: WorkerOffer;

beforeAll(async () => {
  mkdirSync(join(granted, 'data'), { recursive: true });
  symlinkSync('data', join(granted, 'link'));
  const config = {
    version: 1,
    runDir: join(directory, 'run'),
    roots: [{ path: granted, access: 'readonly' }],
    ceilings: { limits: { memoryBytes: 1_000_000_000, processes: 100 }, syscalls: ['strict'], attempts: 2 },
    defaults: { limits: { inodes: 5000 } },
    policies: {
      tight: { limits: { memoryBytes: 50_000_000 } },
      wide: { limits: { memoryBytes: 2_000_000_000 } },
      shared: { filesystem: { readonlyPaths: [join(granted, 'data')] } },
    },
  };
  writeFileSync(configFile, JSON.stringify(config));
  settings = forOneJob(loadSettings(configFile, {}));
  engine = (await openEngine(settings, { drops: false })).engine;
  const { offer: text } = offerOf(settings, await engine.probe(), engine.terms());
  offer = accepted(checkOffer(text));
});

afterAll(async () => {
  await engine.close();
  rmSync(directory, { recursive: true });
});

function accepted<T>(parsed: Parsed<T>): T {
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  return parsed.value;
}

function job(more: object): Job {
  return { kind: 'job', version: 1, runtime: 'bash', source: 'echo ran', ...more } as Job;
}

async function explain(document: Job): Promise<Explanation> {
  const explanation = await engine.explain(Buffer.from(JSON.stringify(document)));
  return accepted(checkExplanation(JSON.stringify(explanation)));
}

async function run(document: Job): Promise<Result> {
  const context = { uid: newUid(), epoch: 1, tenant: 'default', id: 'e', queuedUs: 0, worker: 'w' };
  return engine.run(Buffer.from(JSON.stringify(document)), context).wait();
}

/** What a run ends with, as a reason tells it. */
function endOf({ outcome }: Result): object {
  if (outcome.kind === 'rejected') return { outcome: outcome.kind, field: outcome.field, rule: outcome.rule };
  if (outcome.kind === 'unavailable') return { outcome: outcome.kind, layer: outcome.layer };
  return { outcome: outcome.kind };
}

const limits = (numbers: object) => job({ policy: { limits: numbers } });
const readonly = (path: string) => job({ policy: { filesystem: { readonlyPaths: [path] } } });

/** Documents that are refused, with how many reasons there are. */
const refused: [string, () => Job, number][] = [
  ['two limits above their ceilings', () => limits({ memoryBytes: 2_000_000_000, processes: 101 }), 2],
  ['a profile and too many attempts', () => job({ policy: { syscalls: 'compatible' }, attempts: 3 }), 2],
  ['an unknown policy and an unknown runtime', () => job({ policy: { name: 'nobody' }, runtime: 'perl6' }), 2],
  ['a named policy above the ceiling', () => job({ policy: { name: 'wide' } }), 1],
  ['a file in the place of the source', () => job({ files: [{ path: 'main.sh', text: '' }] }), 1],
  ['layers that nobody has', () => job({ policy: { require: ['vm', 'seccomp', 'gvisor'] } }), 2],
  ['backends that are not offered', () => job({ policy: { containment: ['microvm', 'oci'] } }), 2],
  ['a host path outside of the roots', () => readonly('/srv/elsewhere'), 1],
  ['a host path that may not be written', () => job({ policy: { filesystem: { readwritePaths: [granted] } } }), 1],
  ['a host path that is not there', () => readonly(join(granted, 'missing')), 1],
  ['a host path that is a link', () => readonly(join(granted, 'link')), 1],
  ['a document that the door refuses', () => job({ source: undefined }), 1],
];

describe('what is explained is what a run does', () => {
  it.each(refused)('%s', async (_, document, count) => {
    const [explanation, result] = [await explain(document()), await run(document())];
    expect(explanation.verdict).toBe('refused');
    expect(explanation.reasons).toHaveLength(count);
    expect(explanation.reasons[0]).toMatchObject(endOf(result));
  });

  it.each<[string, () => Job]>([
    ['the defaults', () => job({})],
    ['a named policy', () => job({ policy: { name: 'tight' } })],
    ['a second choice of backend', () => job({ policy: { containment: ['microvm', 'process'] } })],
    ['a host path', () => readonly(join(granted, 'data'))],
  ])('%s: the policy, the backend and the layers that held', async (_, document) => {
    const [explanation, result] = [await explain(document()), await run(document())];
    expect(result.outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
    expect(explanation).toMatchObject({ verdict: 'runs', reasons: [], backend: result.sandbox?.backend });
    expect(explanation.policySha256).toBe(result.sandbox?.policySha256);
    expect(explanation.policyName).toBe(result.sandbox?.policyName);
    const said = explanation.layers.filter(({ held }) => held).map(({ layer }) => layer);
    expect(said.sort()).toEqual(result.sandbox?.layers.map(({ layer }) => layer).sort());
    for (const { layer, value } of result.sandbox?.layers.filter((one) => /^(cgroup-|landlock)/.test(one.layer)) ??
      []) {
      expect(explanation.layers.find((one) => one.layer === layer)?.value).toBe(value);
    }
  });
});

test('each rule says who said it, the ceiling and the layer', async () => {
  const { rules } = await explain(job({ policy: { limits: { memoryBytes: 100_000_000 } }, attempts: 2 }));
  const rule = (field: string) => rules.find((one) => one.field === field);
  expect(rule('policy.limits.memoryBytes')).toMatchObject({
    value: 100_000_000,
    from: 'job',
    ceiling: 1_000_000_000,
    layers: ['cgroup-memory'],
  });
  expect(rule('policy.limits.inodes')).toMatchObject({ value: 5000, from: 'operator default' });
  expect(rule('policy.syscalls')).toMatchObject({ value: 'strict', from: 'built-in', ceiling: ['strict'] });
  expect(rule('attempts')).toMatchObject({ value: 2, from: 'job', ceiling: 2 });
});

test('why a backend of the list is not taken', async () => {
  const { containment } = await explain(job({ policy: { containment: ['microvm', 'process'] } }));
  expect(containment).toEqual([
    { backend: 'microvm', taken: false, why: [expect.stringMatching(/doesn't offer/)] },
    { backend: 'process', taken: true, why: [] },
  ]);
});

test('a wide grant is warned of, a closed one is not', async () => {
  const wide = await explain(job({ env: { LD_PRELOAD: 'x.so' }, policy: { network: { loopback: 'private' } } }));
  expect(wide.warnings.map(({ code }) => code)).toEqual(['sockets', 'changes-interpreter']);
  expect((await explain(job({}))).warnings).toEqual([]);
});

describe('what an offer tells', () => {
  test('no host path and no id', () => {
    const text = JSON.stringify(offer);
    expect(text).not.toContain(directory);
    expect(offer.layers.find(({ layer }) => layer === 'uid')?.value).toBeNull();
    expect(offer.policies['shared']?.filesystem).toEqual({ readonlyPaths: 1, readwritePaths: 0, deniedPaths: 0 });
    expect(offer.hostRoots).toBe(1);
  });

  it.each(refused.filter(([name]) => !/file in the place|outside|may not|not there|is a link|the door/.test(name)))(
    'by it as on the host: %s',
    async (_, document) => {
      const [here, there] = [await explain(document()), explainByOffer(document(), offer)];
      const keys = (reasons: Explanation['reasons'] | typeof there.reasons) =>
        reasons.map(({ outcome, field, rule, layer }) => ({ outcome, field, rule, layer }));
      expect(there.verdict).toBe('refused');
      expect(keys(there.reasons)).toEqual(keys(here.reasons));
    },
  );

  test('by it as on the host: what runs, and its numbers', async () => {
    const document = job({ policy: { name: 'tight' } });
    const [here, there] = [await explain(document), explainByOffer(document, offer)];
    expect(there).toMatchObject({ verdict: 'runs', reasons: [], unknown: [] });
    for (const { field, value, ceiling } of there.rules.filter((rule) => /limits|attempts|syscalls/.test(rule.field))) {
      expect(here.rules.find((rule) => rule.field === field)).toMatchObject({ value, ceiling });
    }
    expect(explainByOffer(readonly(join(granted, 'data')), offer)).toMatchObject({ verdict: 'unknown' });
  });

  test('more policies than there is room for are left out, and counted', async () => {
    const one = offer.policies['tight'];
    if (one === undefined) throw new Error('no policy');
    const many = Object.fromEntries(Array.from({ length: 256 }, (_, n) => [`policy-${n}`, one]));
    const { offer: text } = offerOf(settings, await engine.probe(), { ...engine.terms(), policies: many });
    const told = accepted(readOffer(text));
    expect(told.policiesOmitted).toBe(256 - Object.keys(told.policies).length);
    expect(told.policiesOmitted).toBeGreaterThan(0);
    expect(explainByOffer(job({ policy: { name: 'policy-99' } }), told).verdict).toBe('unknown');
  });
});

describe('the commands', () => {
  const command = (main: string, args: string[], input: object, env: Record<string, string> = {}) =>
    spawnSync(process.execPath, [main, ...args, '-'], {
      cwd: CLONE,
      input: JSON.stringify(input),
      encoding: 'utf8',
      env: { ...process.env, BULLPEN_RUN_DIR: join(directory, 'run'), ...env },
    });

  test('bullpen-worker explain: a policy that stands alone, as a table and as JSON', () => {
    const args = ['explain', '--config', configFile];
    const told = command('worker/cli/main.ts', args, { limits: { memoryBytes: 50_000_000 } });
    expect(told.status).toBe(0);
    expect(told.stdout).toMatch(/policy\.limits\.memoryBytes +50000000 +job +at most 1000000000 +cgroup-memory v[12]/);
    expect(told.stdout).toMatch(/It would run here, in process\./);
    const refusal = command('worker/cli/main.ts', [...args, '--json'], { limits: { processes: 0 } });
    expect(refusal.status).toBe(3);
    expect(accepted(checkExplanation(refusal.stdout)).reasons).toMatchObject([
      { field: 'limits.processes', rule: 'minimum' },
    ]);
  });

  test('bullpen explain: by the built-in defaults where nobody lives, then by the worker that does', async () => {
    const pen = await Pen.open();
    try {
      const env = { BULLPEN_REDIS: pen.redis.url, BULLPEN_QUEUE: pen.queue };
      const ask = (input: object) => command('producer/cli/main.ts', ['explain', '--json'], input, env);
      const alone = ask(job({}));
      expect(alone.status).toBe(0);
      expect(JSON.parse(alone.stdout)).toMatchObject({ workers: [], verdict: 'unknown', layers: [] });
      await pen.startWorker({ ceilings: { limits: { processes: 10 } }, defaults: { limits: { processes: 5 } } });
      const served = ask(job({}));
      expect(JSON.parse(served.stdout)).toMatchObject({ workers: [expect.any(String)], verdict: 'runs', unknown: [] });
      const over = ask(limits({ processes: 11 }));
      expect(over.status).toBe(3);
      expect(JSON.parse(over.stdout).reasons).toMatchObject([{ field: 'policy.limits.processes', rule: 'ceiling' }]);
      expect(ask({ kind: 'job' }).status).toBe(3);
    } finally {
      await pen.close();
    }
  });
});
