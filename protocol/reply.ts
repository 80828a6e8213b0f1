// Reading what scripts and commands answer. A reply of another form than expected is a fault of ours, and throws.

/** A script's answer as ioredis gives it when asked for buffers. */
export type Reply = (Buffer | number | null | Reply)[];

export function textAt(reply: Reply, place: number): string {
  const value = reply[place];
  if (value instanceof Buffer) return value.toString('utf8');
  throw unexpected(reply, place, 'text');
}

export function bytesAt(reply: Reply, place: number): Buffer {
  const value = reply[place];
  if (value instanceof Buffer) return value;
  throw unexpected(reply, place, 'bytes');
}

export function integerAt(reply: Reply, place: number): number {
  const value = reply[place];
  const number = value instanceof Buffer ? Number(value.toString('latin1')) : value;
  if (typeof number === 'number' && Number.isSafeInteger(number)) return number;
  throw unexpected(reply, place, 'an integer');
}

export function listAt(reply: Reply, place: number): Reply {
  const value = reply[place];
  if (Array.isArray(value)) return value;
  throw unexpected(reply, place, 'a list');
}

export function textsAt(reply: Reply, place: number): string[] {
  const list = listAt(reply, place);
  return list.map((_, each) => textAt(list, each));
}

function unexpected(reply: Reply, place: number, wanted: string): Error {
  return new Error(`Redis answered something unexpected: no ${wanted} at ${place} of ${reply.length}`);
}

/** The error of an answer whose first word is not one of those a script gives. */
export function unknownAnswer(script: string, reply: Reply): Error {
  return new Error(`script ${script} answered ${JSON.stringify(textAt(reply, 0))}`);
}
