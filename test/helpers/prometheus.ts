// Reads the Prometheus text format, strictly: what a scraper would refuse or a linter complain about is an error here.

/** One line of a scrape. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const COMMENT = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?[0-9.e+-]+|NaN|[+-]Inf)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,|$)/y;
const TYPES = new Set(['counter', 'gauge', 'histogram', 'summary']);

/**
 * The samples of a scrape. Throws on a line that is no sample, on one without HELP and TYPE before it, on a series that occurs twice,
 * on a counter that isn't called `_total`, and on a histogram that isn't one.
 */
export function parseMetrics(text: string): Sample[] {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const told = new Map<string, { help: boolean; type: string | null }>();
  const samples: Sample[] = [];
  const seen = new Set<string>();
  for (const line of text.split('\n').filter((one) => one !== '')) {
    if (line.startsWith('#')) {
      note(line, told);
      continue;
    }
    const sample = parseSample(line);
    const key = `${sample.name}${JSON.stringify(Object.entries(sample.labels).sort())}`;
    if (seen.has(key)) throw new Error(`twice: ${line}`);
    seen.add(key);
    checkType(sample, told);
    samples.push(sample);
  }
  checkHistograms(samples, told);
  return samples;
}

/** The one value of a series. Throws when there is none, or more. */
export function valueIn(samples: readonly Sample[], name: string, labels: Record<string, string> = {}): number {
  const matches = samples.filter(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  const [only, ...more] = matches;
  if (only === undefined || more.length > 0) {
    throw new Error(`${matches.length} series of ${name} ${JSON.stringify(labels)}`);
  }
  return only.value;
}

function note(line: string, told: Map<string, { help: boolean; type: string | null }>): void {
  const [, kind, name = '', rest = ''] = COMMENT.exec(line) ?? [];
  if (kind === undefined) throw new Error(`neither HELP nor TYPE: ${line}`);
  const known = told.get(name) ?? { help: false, type: null };
  if (kind === 'HELP' ? known.help : known.type !== null) throw new Error(`twice: ${line}`);
  if (kind === 'TYPE' && !TYPES.has(rest)) throw new Error(`no such type: ${line}`);
  told.set(name, kind === 'HELP' ? { ...known, help: rest !== '' } : { ...known, type: rest });
}

function parseSample(line: string): Sample {
  const [, name, labels = '', value] = SAMPLE.exec(line) ?? [];
  if (name === undefined || value === undefined) throw new Error(`no sample: ${line}`);
  return { name, labels: parseLabels(labels), value: value.endsWith('Inf') ? Number(`${value}inity`) : Number(value) };
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (let at = 0; at < text.length; at = LABEL.lastIndex) {
    LABEL.lastIndex = at;
    const [, name, value] = LABEL.exec(text) ?? [];
    if (name === undefined || value === undefined || name in labels) throw new Error(`no labels: ${text}`);
    labels[name] = value;
  }
  return labels;
}

function familyOf(name: string, told: ReadonlyMap<string, { type: string | null }>): string {
  const base = name.replace(/_(bucket|sum|count)$/, '');
  const type = told.get(base)?.type;
  return base !== name && (type === 'histogram' || type === 'summary') ? base : name;
}

function checkType({ name }: Sample, told: ReadonlyMap<string, { help: boolean; type: string | null }>): void {
  const family = familyOf(name, told);
  const { help, type } = told.get(family) ?? { help: false, type: null };
  if (!help || type === null) throw new Error(`${name} has no HELP or no TYPE before it`);
  if (type === 'counter' && !name.endsWith('_total')) throw new Error(`the counter ${name} is not called _total`);
  if (type === 'gauge' && name.endsWith('_total')) throw new Error(`the gauge ${name} is called _total`);
}

/** Buckets grow, and the last one holds all. */
function checkHistograms(samples: readonly Sample[], told: ReadonlyMap<string, { type: string | null }>): void {
  for (const [family] of [...told].filter(([, { type }]) => type === 'histogram')) {
    for (const { labels, value } of samples.filter(({ name }) => name === `${family}_count`)) {
      const buckets = samples.filter(({ name, labels: of }) => name === `${family}_bucket` && isOf(of, labels));
      const counts = buckets.map((bucket) => bucket.value);
      if (counts.some((count, place) => count < (counts[place - 1] ?? 0))) throw new Error(`${family}: buckets shrink`);
      if (buckets.at(-1)?.labels['le'] !== '+Inf' || counts.at(-1) !== value)
        throw new Error(`${family}: no whole bucket`);
    }
  }
}

function isOf({ le: _le, ...labels }: Record<string, string>, series: Record<string, string>): boolean {
  return JSON.stringify(labels) === JSON.stringify(series);
}
