import { expect, it } from 'vitest';
import { parseMetrics } from '../helpers/prometheus.ts';

const GAUGE = '# HELP a An a.\n# TYPE a gauge\n';
const HISTOGRAM = '# HELP h An h.\n# TYPE h histogram\n';

it('reads samples with and without labels', () => {
  expect(parseMetrics(`${GAUGE}a{x="1,\\"2\\"",y="3"} 4.5e-3\na 6\n`)).toEqual([
    { name: 'a', labels: { x: '1,\\"2\\"', y: '3' }, value: 0.0045 },
    { name: 'a', labels: {}, value: 6 },
  ]);
});

it('reads a histogram', () => {
  expect(parseMetrics(`${HISTOGRAM}h_bucket{le="1"} 2\nh_bucket{le="+Inf"} 3\nh_sum 4\nh_count 3\n`)).toHaveLength(4);
});

it.each([
  ['a sample without TYPE', '# HELP a An a.\na 1\n'],
  ['a sample without HELP', '# TYPE a gauge\na 1\n'],
  ['a series twice', `${GAUGE}a{x="1",y="2"} 1\na{y="2",x="1"} 1\n`],
  ['a counter by another name', '# HELP a An a.\n# TYPE a counter\na 1\n'],
  ['a gauge by the name of a counter', '# HELP a_total An a.\n# TYPE a_total gauge\na_total 1\n'],
  ['a value that is none', `${GAUGE}a one\n`],
  ['labels that are none', `${GAUGE}a{x=1} 1\n`],
  ['an end within a line', `${GAUGE}a 1`],
  ['buckets that shrink', `${HISTOGRAM}h_bucket{le="1"} 3\nh_bucket{le="+Inf"} 2\nh_sum 4\nh_count 2\n`],
  ['a last bucket that is not all', `${HISTOGRAM}h_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 4\nh_count 3\n`],
])('refuses %s', (_what, text) => {
  expect(() => parseMetrics(text)).toThrow();
});
