import { expect, it } from 'vitest';
import { HostilePen } from './harness.ts';

/** What other systems' documents carry and this contract doesn't have is refused by its name. */
const pen = await HostilePen.ofFile();

async function refuseAll(fields: string[]): Promise<void> {
  for (const field of fields) {
    for (const value of ['http://127.0.0.1/', { id: 1 }]) {
      const { outcome, sandbox } = await pen.run({ source: '', [field]: value });
      expect(outcome).toMatchObject({ kind: 'rejected', field, rule: 'additionalProperties' });
      expect(sandbox).toBeUndefined();
    }
  }
}

it('K01 no signature, no key, no other queue', () => refuseAll(['signature', 'envelope', 'alg', 'kid', 'queue']));

it('K19 no options of the queue beneath', () =>
  refuseAll(['repeat', 'delay', 'lifo', 'removeOnComplete', 'parent', 'backoff', 'opts']));

it('K23 no address to fetch or to call', () => refuseAll(['webhook', 'callback', 'url', 'sourceUrl', 'image', 'git']));

it('K25 nothing about how a result is shown', () => refuseAll(['contentType', 'disposition', 'title']));

it('K19 numbers of the queue have their bounds', async () => {
  for (const [field, values] of Object.entries({ attempts: [0, 1e9], priority: [-1, 10], expiresInMs: [0, -5] })) {
    for (const value of values) {
      const { outcome } = await pen.run({ source: '', [field]: value });
      expect(outcome, `${field} ${value}`).toMatchObject({ kind: 'rejected', field });
    }
  }
  const fine = await pen.run({ source: '', attempts: 1, priority: 9, expiresInMs: 60_000 });
  expect(fine.outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
});
