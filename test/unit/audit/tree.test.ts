// Vectors: RFC 6962 implementations share these leaves and roots (certificate-transparency's reference tests).

import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { leafHash, nodeHash } from '../../../audit/hashes.ts';
import { MerkleTree } from '../../../audit/tree.ts';

const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

function rawLeaf(hex: string): Buffer {
  return createHash('sha256').update(Uint8Array.of(0)).update(Buffer.from(hex, 'hex')).digest();
}

/** RFC 6962, 2.1, as it stands there: split at the largest power of two below the size. */
function rootByDefinition(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves;
  if (leaves.length === 1 && only !== undefined) return only;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return nodeHash(rootByDefinition(leaves.slice(0, k)), rootByDefinition(leaves.slice(k)));
}

it('has the roots of the known vectors at every size', () => {
  const tree = MerkleTree.empty();
  const roots = [tree.root()];
  for (const leaf of LEAVES) {
    tree.append(rawLeaf(leaf));
    roots.push(tree.root());
  }
  expect(roots.map((root) => root.toString('hex'))).toEqual(ROOTS);
});

it('has the roots of the definition up to 200 leaves, and goes on from its peaks at each of them', () => {
  const tree = MerkleTree.empty();
  const leaves: Buffer[] = [];
  for (let n = 0; n < 200; n++) {
    const leaf = leafHash(n.toString(16).padStart(64, '0'), 'ok');
    const resumed = MerkleTree.of(n, tree.peaks);
    leaves.push(leaf);
    for (const one of [tree, resumed]) one?.append(leaf);
    expect(resumed?.root()).toEqual(rootByDefinition(leaves));
    expect(tree.root()).toEqual(rootByDefinition(leaves));
  }
});

it('is not made of peaks that its size cannot have', () => {
  const peak = rawLeaf('00');
  expect(MerkleTree.of(3, [peak, peak])).not.toBeNull();
  expect(MerkleTree.of(3, [peak])).toBeNull();
  expect(MerkleTree.of(4, [peak, peak])).toBeNull();
  expect(MerkleTree.of(1, [peak.subarray(1)])).toBeNull();
});

it('a verdict is part of the leaf', () => {
  const sha256 = 'a'.repeat(64);
  expect(leafHash(sha256, 'ok')).toEqual(leafHash(sha256, 'ok'));
  expect(leafHash(sha256, 'ok')).not.toEqual(leafHash(sha256, 'fenced'));
});
