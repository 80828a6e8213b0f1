// What would become of a job by what a worker has told its queue. The worker's engine decides; this says as much as the offer tells.

import { DEFAULT_CEILING_LIMITS, DEFAULT_LIMITS, DEFAULT_POLICY } from '../schemas/defaults.ts';
import type { CeilingLimits, Job, OfferedPolicy, Policy, WorkerOffer } from '../schemas/types.ts';

/** A reason against a job, in the words of the outcome that a run would have. */
export interface OfferReason {
  outcome: 'rejected' | 'unavailable';
  field: string | null;
  rule: string | null;
  layer: string | null;
  message: string;
}

/** One field of the effective policy. */
export interface OfferRule {
  field: string;
  value: number | string | string[];
  from: 'job' | 'named policy' | 'worker default' | 'built-in';
  ceiling: number | string[] | null;
}

/** What an offer says about a job. */
export interface OfferExplanation {
  /** `unknown`: nothing is against it as far as the offer tells, but the offer does not tell everything that matters. */
  verdict: 'runs' | 'refused' | 'unknown';
  reasons: OfferReason[];
  /** What only the worker itself knows. */
  unknown: string[];
  rules: OfferRule[];
  layers: WorkerOffer['layers'];
}

type Numbers = Required<CeilingLimits>;
type LimitName = keyof Numbers;
const LIMIT_NAMES = Object.keys(DEFAULT_CEILING_LIMITS) as LimitName[];

/** What applies where nobody lives who could say otherwise. */
export const BUILT_IN: Pick<WorkerOffer, 'defaults' | 'ceilings'> = {
  defaults: {
    containment: [DEFAULT_POLICY.containment],
    filesystem: { readonlyPaths: 0, readwritePaths: 0, deniedPaths: 0 },
    loopback: DEFAULT_POLICY.network.loopback,
    limits: numbersOf(DEFAULT_LIMITS),
    outputOverflow: DEFAULT_LIMITS.outputOverflow,
    syscalls: DEFAULT_POLICY.syscalls,
    require: [...DEFAULT_POLICY.require],
  },
  ceilings: {
    limits: DEFAULT_CEILING_LIMITS,
    syscalls: ['strict', 'compatible'],
    loopback: ['deny', 'private'],
    attempts: 3,
  },
};

/** Explains a job that passed the door by an offer; by the built-in defaults and ceilings where there is none. */
export function explainByOffer(job: Job, offer: WorkerOffer | null): OfferExplanation {
  const terms = offer ?? BUILT_IN;
  const name = job.policy !== undefined && 'name' in job.policy ? job.policy.name : null;
  const named = name === null ? undefined : offer?.policies[name];
  const inline: Policy = job.policy === undefined || 'name' in job.policy ? {} : job.policy;
  const base = named ?? terms.defaults;
  const decided = decide(inline, base);
  const reasons = [
    ...(name === null || named !== undefined || offer === null || offer.policiesOmitted > 0
      ? []
      : [rejected('policy.name', 'unknown-policy', 'the operator of this worker defines no policy of this name')]),
    ...aboveCeilings(decided, job.attempts ?? 1, terms.ceilings),
    ...(offer === null ? [] : refusals(job, decided, offer)),
  ];
  const unknown = unknowns(job, inline, { offer, name, isKnown: named !== undefined });
  return {
    verdict: reasons.length > 0 ? 'refused' : unknown.length > 0 ? 'unknown' : 'runs',
    reasons,
    unknown,
    rules: rulesOf(job, { inline, named, decided, terms }),
    layers: offer?.layers ?? [],
  };
}

function numbersOf(limits: CeilingLimits): Numbers {
  return Object.fromEntries(
    LIMIT_NAMES.map((name) => [name, limits[name] ?? DEFAULT_CEILING_LIMITS[name]]),
  ) as unknown as Numbers;
}

/** What the job says over what the worker says. */
function decide(inline: Policy, base: OfferedPolicy): OfferedPolicy {
  const { outputOverflow, ...limits } = inline.limits ?? {};
  return {
    containment: inline.containment === undefined ? base.containment : [inline.containment].flat(),
    filesystem: {
      readonlyPaths: inline.filesystem?.readonlyPaths?.length ?? base.filesystem.readonlyPaths,
      readwritePaths: inline.filesystem?.readwritePaths?.length ?? base.filesystem.readwritePaths,
      deniedPaths: inline.filesystem?.deniedPaths?.length ?? base.filesystem.deniedPaths,
    },
    loopback: inline.network?.loopback ?? base.loopback,
    limits: { ...base.limits, ...limits },
    outputOverflow: outputOverflow ?? base.outputOverflow,
    syscalls: inline.syscalls ?? base.syscalls,
    require: inline.require ?? base.require,
  };
}

function rejected(field: string, rule: string, message: string): OfferReason {
  return { outcome: 'rejected', field, rule, layer: null, message: `${field}: ${message}` };
}

function unavailable(layer: string, message: string): OfferReason {
  return { outcome: 'unavailable', field: null, rule: null, layer, message };
}

function aboveCeilings(policy: OfferedPolicy, attempts: number, ceilings: WorkerOffer['ceilings']): OfferReason[] {
  const limits = LIMIT_NAMES.filter((name) => (policy.limits[name] ?? 0) > (ceilings.limits[name] ?? Infinity));
  return [
    ...limits.map((name) => rejected(`policy.limits.${name}`, 'ceiling', `at most ${ceilings.limits[name]}`)),
    ...(ceilings.syscalls.includes(policy.syscalls)
      ? []
      : [rejected('policy.syscalls', 'ceiling', 'this profile is not allowed')]),
    ...(ceilings.loopback.includes(policy.loopback)
      ? []
      : [rejected('policy.network.loopback', 'ceiling', 'this setting is not allowed')]),
    ...(attempts > ceilings.attempts ? [rejected('attempts', 'ceiling', `at most ${ceilings.attempts}`)] : []),
  ];
}

function refusals(job: Job, policy: OfferedPolicy, offer: WorkerOffer): OfferReason[] {
  const { runtimes, backends, hostRoots, layers } = offer;
  const granted = policy.filesystem.readonlyPaths + policy.filesystem.readwritePaths > 0;
  const itself = (layer: string) => layers.some((one) => one.layer === layer && !one.isSubstitute);
  return [
    ...(granted && hostRoots === 0
      ? [rejected('policy.filesystem', 'outside-roots', 'no host path can be granted')]
      : []),
    ...(runtimes.includes(job.runtime)
      ? []
      : [rejected('runtime', 'unknown-runtime', `one of ${runtimes.join(', ')} works there`)]),
    ...(policy.containment.some((backend) => backends.includes(backend))
      ? []
      : policy.containment.map((backend) => unavailable(backend, `the backend ${backend} is not offered`))),
    ...policy.require
      .filter((layer) => !itself(layer))
      .map((layer) => unavailable(layer, `policy.require: the layer ${layer} itself does not hold there`)),
  ];
}

interface Standing {
  offer: WorkerOffer | null;
  name: string | null;
  isKnown: boolean;
}

function unknowns(job: Job, inline: Policy, { offer, name, isKnown }: Standing): string[] {
  const { readonlyPaths = [], readwritePaths = [] } = inline.filesystem ?? {};
  const paths = [...readonlyPaths, ...readwritePaths].length;
  return [
    ...(offer === null
      ? [`no worker lives that has told what it offers: whether ${job.runtime} and the layers are there is not known`]
      : []),
    ...(name !== null && !isKnown && (offer === null || offer.policiesOmitted > 0)
      ? [`what the policy ${name} says is not known here`]
      : []),
    ...(paths > 0 && offer?.hostRoots !== 0 ? ['which host paths may be granted is known to the worker only'] : []),
  ];
}

interface Parts {
  inline: Policy;
  named: OfferedPolicy | undefined;
  decided: OfferedPolicy;
  terms: Pick<WorkerOffer, 'defaults' | 'ceilings'>;
}

function rulesOf(job: Job, { inline, named, decided, terms }: Parts): OfferRule[] {
  const origin = <T>(own: unknown, value: T, builtIn: T): OfferRule['from'] => {
    if (own !== undefined) return 'job';
    if (named !== undefined) return 'named policy';
    return JSON.stringify(value) === JSON.stringify(builtIn) ? 'built-in' : 'worker default';
  };
  const { defaults: builtIn } = BUILT_IN;
  const rule = <K extends 'containment' | 'loopback' | 'syscalls' | 'require' | 'outputOverflow'>(
    field: string,
    key: K,
    own: unknown,
    ceiling: OfferRule['ceiling'],
  ): OfferRule => ({
    field: `policy.${field}`,
    value: decided[key],
    from: origin(own, decided[key], builtIn[key]),
    ceiling,
  });
  const limits = LIMIT_NAMES.map(
    (name): OfferRule => ({
      field: `policy.limits.${name}`,
      value: decided.limits[name] ?? 0,
      from: origin(inline.limits?.[name], decided.limits[name], builtIn.limits[name]),
      ceiling: terms.ceilings.limits[name] ?? null,
    }),
  );
  const paths = (['readonlyPaths', 'readwritePaths', 'deniedPaths'] as const).map(
    (list): OfferRule => ({
      field: `policy.filesystem.${list}`,
      value: inline.filesystem?.[list] ?? `${decided.filesystem[list]} of the worker's`,
      from: origin(inline.filesystem?.[list], decided.filesystem[list], 0),
      ceiling: null,
    }),
  );
  return [
    rule('containment', 'containment', inline.containment, null),
    ...paths,
    rule('network.loopback', 'loopback', inline.network?.loopback, terms.ceilings.loopback),
    ...limits,
    rule('limits.outputOverflow', 'outputOverflow', inline.limits?.outputOverflow, null),
    rule('syscalls', 'syscalls', inline.syscalls, terms.ceilings.syscalls),
    rule('require', 'require', inline.require, null),
    { field: 'attempts', value: job.attempts ?? 1, from: origin(job.attempts, 1, 1), ceiling: terms.ceilings.attempts },
  ];
}
