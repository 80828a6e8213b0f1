import { UsageError } from './usage-error.ts';

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
// What a timer can hold.
const MAX_MS = 2 ** 31 - 1;

/** `500ms`, `30s`, `5m`, `1h` in milliseconds; at most 596h. A bare number is refused: it would leave the unit to guessing. */
export function parseDuration(option: string, text: string): number {
  const [, amount, unit] = /^(\d{1,10})(ms|s|m|h)$/.exec(text) ?? [];
  const ms = Number(amount) * (UNITS[unit ?? ''] ?? Number.NaN);
  if (!(ms <= MAX_MS)) throw new UsageError(`${option} takes a duration such as 500ms, 30s, 5m or 1h; got ${text}`);
  return ms;
}
