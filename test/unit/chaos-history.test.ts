import { describe, expect, it } from 'vitest';
import { auditHash, canonicalBytes, NO_HASH } from '../../protocol/index.ts';
import {
  type Asked,
  chainFaultsOf,
  describeHistory,
  type JobHistory,
  type Link,
  type Logged,
  violationsOf,
} from '../chaos/history.ts';

const SHA = 'a'.repeat(64);
const OTHER_SHA = 'b'.repeat(64);

const asked = (at: number, what: Asked['what'], phase: Asked['phase'], digest?: string): Asked => ({
  from: 'client',
  at,
  what,
  phase,
  ...(digest !== undefined && { seen: { digest, epoch: 1, outcome: 'exited' } }),
});

const logged = (seq: number, event: Logged['event'], verdict: string, fields: Partial<Logged> = {}): Logged => ({
  from: 'log',
  at: `2026-11-24T20:00:0${seq}.000Z`,
  log: 'w-aaaaa',
  seq,
  event,
  epoch: event === 'accepted' ? 0 : 1,
  verdict,
  ...(event === 'finished' && { resultSha256: SHA }),
  ...fields,
});

/** Submitted, begun once, committed once, read twice. */
const SOUND: JobHistory = {
  id: 'job-1',
  attempts: 1,
  asked: [
    asked(0, 'submit', 'invoke'),
    asked(1, 'submit', 'ok'),
    asked(2, 'read', 'invoke'),
    asked(3, 'read', 'ok', 'x'),
    asked(4, 'read', 'ok', 'x'),
  ],
  logged: [logged(1, 'accepted', 'run'), logged(2, 'started', 'run'), logged(3, 'finished', 'ok')],
  stored: { resultSha256: SHA, resultEpoch: 1, epoch: 1 },
  marks: 1,
};

const kindsOf = (job: Partial<JobHistory>) => violationsOf({ ...SOUND, ...job }).map(({ kind }) => kind);

describe('a history in which every promise holds', () => {
  it.each([
    ['a job that ran once', {}],
    [
      'one whose submission was never answered and never arrived',
      { asked: [asked(0, 'submit', 'invoke'), asked(1, 'submit', 'info')], logged: [], stored: null, marks: 0 },
    ],
    [
      'one whose submission was never answered and did arrive',
      { asked: [asked(0, 'submit', 'invoke'), asked(1, 'submit', 'info')] },
    ],
    [
      'one that never began',
      {
        logged: [logged(1, 'accepted', 'ok'), logged(2, 'finished', 'ok', { epoch: 0 })],
        stored: { resultSha256: SHA, resultEpoch: 0, epoch: 0 },
        marks: 0,
      },
    ],
    [
      'one that began twice and may, whose first worker was fenced',
      {
        attempts: 2,
        marks: 2,
        stored: { resultSha256: SHA, resultEpoch: 2, epoch: 2 },
        logged: [
          ...SOUND.logged.slice(0, 2),
          logged(3, 'started', 'run', { epoch: 2, log: 'w-bbbbb' }),
          logged(4, 'finished', 'fenced', { resultSha256: OTHER_SHA }),
          logged(5, 'finished', 'ok', { epoch: 2, log: 'w-bbbbb' }),
        ],
      },
    ],
    [
      'one whose commit was sent again after its reply was lost',
      { logged: [...SOUND.logged, logged(4, 'finished', 'already')] },
    ],
  ] satisfies [string, Partial<JobHistory>][])('%s', (_name, job) => {
    expect(violationsOf({ ...SOUND, ...job })).toEqual([]);
  });
});

describe('a planted violation is found', () => {
  it('lost: accepted, and there is no result', () => {
    expect(
      kindsOf({ stored: { resultSha256: null, resultEpoch: null, epoch: 1 }, logged: SOUND.logged.slice(0, 2) }),
    ).toEqual(['lost']);
  });

  it('lost: accepted, and Redis never heard of it', () => {
    expect(kindsOf({ stored: null, logged: [], marks: 0 })).toEqual(['lost']);
  });

  it('lost: never told to be accepted, begun, and there is no result', () => {
    const unanswered = [asked(0, 'submit', 'invoke'), asked(1, 'submit', 'info')];
    expect(
      kindsOf({
        asked: unanswered,
        stored: { resultSha256: null, resultEpoch: null, epoch: 1 },
        logged: SOUND.logged.slice(0, 2),
      }),
    ).toEqual(['lost']);
  });

  it('doubled: two commits counted', () => {
    expect(kindsOf({ logged: [...SOUND.logged, logged(4, 'finished', 'ok')] })).toEqual(['doubled']);
  });

  it('changed: two reads differ', () => {
    expect(kindsOf({ asked: [...SOUND.asked, asked(5, 'read', 'ok', 'y')] })).toEqual(['changed']);
  });

  it('begun more often than it may, by the log', () => {
    const twice = [
      ...SOUND.logged.slice(0, 2),
      logged(3, 'started', 'run', { epoch: 2 }),
      logged(4, 'finished', 'ok', { epoch: 2 }),
    ];
    expect(kindsOf({ logged: twice, stored: { resultSha256: SHA, resultEpoch: 2, epoch: 2 } })).toEqual([
      'begun-twice',
    ]);
  });

  it('begun more often than it may, by the marks that its code left and by nothing else', () => {
    expect(kindsOf({ marks: 2 })).toEqual(['begun-twice']);
  });

  it('begun twice under one epoch', () => {
    const again = logged(3, 'started', 'run', { log: 'w-bbbbb' });
    const twice = [...SOUND.logged.slice(0, 2), again, logged(4, 'finished', 'ok')];
    expect(kindsOf({ attempts: 2, logged: twice, stored: { resultSha256: SHA, resultEpoch: 2, epoch: 2 } })).toEqual([
      'begun-twice',
    ]);
  });

  it('begun, and no log tells of it', () => {
    const silent = [logged(1, 'accepted', 'run'), logged(3, 'finished', 'ok')];
    expect(kindsOf({ logged: silent })).toEqual(['begun-twice']);
  });

  it('a fenced commit is what can be read', () => {
    const fenced = [
      ...SOUND.logged.slice(0, 2),
      logged(3, 'finished', 'ok', { resultSha256: OTHER_SHA }),
      logged(4, 'finished', 'fenced'),
    ];
    expect(kindsOf({ logged: fenced })).toEqual(['forged', 'fenced-visible']);
  });

  it('the result of an epoch that is not the last', () => {
    const late = [...SOUND.logged.slice(0, 2), logged(3, 'started', 'run', { epoch: 2 }), logged(4, 'finished', 'ok')];
    expect(kindsOf({ attempts: 2, logged: late, stored: { resultSha256: SHA, resultEpoch: 1, epoch: 2 } })).toEqual([
      'fenced-visible',
    ]);
  });

  it('a result that no log tells of', () => {
    expect(kindsOf({ logged: SOUND.logged.slice(0, 2) })).toEqual(['forged']);
  });

  it('a result that is not the one in the log', () => {
    expect(kindsOf({ stored: { resultSha256: OTHER_SHA, resultEpoch: 1, epoch: 1 } })).toEqual(['forged']);
  });

  it('no log tells of its acceptance', () => {
    expect(kindsOf({ logged: SOUND.logged.slice(1) })).toEqual(['order']);
  });

  it('finished before it started, by the order of the log, whatever its clock says', () => {
    const turned = [
      logged(1, 'accepted', 'run'),
      logged(3, 'started', 'run'),
      logged(2, 'finished', 'ok', { at: 'z' }),
    ];
    expect(kindsOf({ logged: turned })).toEqual(['order']);
  });

  it('and the whole history of its job can be shown', () => {
    const shown = describeHistory({ ...SOUND, marks: 2 });
    for (const part of ['job-1', 'submit ok', '"event":"started"', '"verdict":"ok"', SHA, 'marks 2']) {
      expect(shown).toContain(part);
    }
  });
});

/** A log of `count` records as a worker writes it. */
function chain(count: number, log = 'w-aaaaa'): { links: Link[]; head: { seq: number; sha256: string } } {
  const links: Link[] = [];
  let prev = NO_HASH;
  for (let seq = 1; seq <= count; seq++) {
    const bytes = canonicalBytes({ v: 1, log, seq, prev, body: {} });
    const sha256 = auditHash(bytes);
    links.push({ seq, sha256, bytes });
    prev = sha256;
  }
  return { links, head: { seq: count, sha256: prev } };
}

describe('a chain', () => {
  it('that is whole has no faults', () => {
    const { links, head } = chain(5);
    expect(chainFaultsOf('w-aaaaa', links, head)).toEqual([]);
  });

  const spoil: [string, (sound: ReturnType<typeof chain>) => ReturnType<typeof chain>][] = [
    ['with a record missing', ({ links, head }) => ({ links: links.toSpliced(2, 1), head })],
    ['with its last record missing', ({ links, head }) => ({ links: links.slice(0, -1), head })],
    ['with two records in each other’s place', ({ links, head }) => ({ links: links.toReversed(), head })],
    [
      'with a record of another log',
      ({ links, head }) => ({ links: links.with(2, chain(5, 'w-other').links[2] as Link), head }),
    ],
    [
      'with a changed record',
      ({ links, head }) => {
        const [third] = links.slice(2) as [Link];
        const changed = Buffer.from(Buffer.from(third.bytes).toString().replace('"body":{}', '"body":{"n":1}'));
        return { links: links.with(2, { ...third, bytes: changed }), head };
      },
    ],
  ];
  it.each(spoil)('%s has', (_name, spoiled) => {
    const { links, head } = spoiled(chain(5));
    expect(chainFaultsOf('w-aaaaa', links, head)).not.toEqual([]);
  });
});
