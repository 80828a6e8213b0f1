// Where Redis is and what is needed to be let in, as one value for workers and producers.

import type { RedisOptions } from 'ioredis';

/** PEM texts for TLS. */
export interface TlsMaterial {
  /** The only authorities that Redis' certificate may come from. Default: those that Node knows. */
  ca?: string;
  /** A certificate of one's own, with its key. */
  client?: { cert: string; key: string };
}

/** A Redis. `url` may hold a password, so it is shown to nobody. */
export interface RedisAddress {
  url: string;
  tls?: TlsMaterial;
}

/** ioredis' options of an address, beside its URL. */
export function tlsOptions({ tls }: RedisAddress): Pick<RedisOptions, 'tls'> {
  if (tls === undefined) return {};
  const { ca, client } = tls;
  return { tls: { ...(ca !== undefined && { ca }), ...client } };
}

export function isTlsUrl(url: string): boolean {
  return new URL(url).protocol === 'rediss:';
}

/** The URL with a password in it; null when it has one already. */
export function withPassword(url: string, password: string): string | null {
  const parsed = new URL(url);
  if (parsed.password !== '') return null;
  parsed.password = encodeURIComponent(password);
  return parsed.href;
}
