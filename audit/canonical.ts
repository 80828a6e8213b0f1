// RFC 8785 once more, for readers: what a record's bytes must be is not asked of the code that wrote them.

/**
 * Canonical text of a document as ours are: strings without unpaired surrogates, safe integers, booleans, null, arrays, objects.
 * For these JavaScript's own texts are those of RFC 8785; what is left is the order of the keys, by UTF-16 code units.
 */
export function canonicalText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = value as Record<string, unknown>;
  const keys = Object.keys(fields).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonicalText(fields[key])}`).join(',')}}`;
}
