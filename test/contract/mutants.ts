/** Documents that are nearly right: the same ones for the same seed. */

/** Text that parsers disagree about. */
const TROUBLE = [
  '0',
  '-1',
  '-0',
  '1.0',
  '1e3',
  '1e309',
  '9007199254740992',
  '"10"',
  'null',
  'true',
  '[]',
  '{}',
  '""',
  '"\\u0000"',
  '"\\ud800"',
  '"é"',
  '"\\u00e9"',
  '"../x"',
  '"/abs"',
  '"a//b"',
  '"/proc/x"',
  '"."',
  '"-x"',
  '"a/./b"',
  '"\\u2028"',
  '"ß"',
  '"İ"',
  '"[a"',
  '"**"',
  '"a**"',
  '" "',
  '"1"',
  '"default"',
  '"microvm"',
  '{"default":"allow"}',
  '{"name":"strict"}',
  '{"text":"a","base64":"YQ=="}',
  '{"base64":"YQ="}',
  '{"__proto__":1}',
  '{"a":1,"a":2}',
  '[1,]',
  "'a'",
  'NaN',
  '01',
  '+1',
  '\ufeff',
];

/** A small generator with a period far above any test (mulberry32). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** `count` mutants of the documents, each one or two changes away from one of them. */
export function* mutantsOf(documents: Buffer[], o: { count: number; seed: number }): Generator<Buffer> {
  const random = randomFrom(o.seed);
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  const changes = [swapValue, renameKey, dropPart, repeatMember, flipByte] as const;
  for (let made = 0; made < o.count; made += 1) {
    let text: Buffer = pick(documents);
    for (let change = random(3) === 0 ? 2 : 1; change > 0; change -= 1) text = pick(changes)(text, random);
    yield text;
  }
}

type Random = (below: number) => number;

function matches(document: Buffer, pattern: RegExp): RegExpMatchArray[] {
  return [...document.toString().matchAll(pattern)];
}

/** Replaces one scalar by a troublesome value. */
function swapValue(document: Buffer, random: Random): Buffer {
  return splice(
    document,
    matches(document, /(?<=[:[,]\s*)("(\\.|[^"\\])*"|-?\d+|true|false|null)(?=\s*[,\]}])/g),
    random,
    () => TROUBLE[random(TROUBLE.length)] ?? '',
  );
}

/** Misspells one key, or makes it a special one. */
function renameKey(document: Buffer, random: Random): Buffer {
  const names = ['"__proto__"', '"constructor"', '"x"', '"kind"', '"Version"', '"limits"', '"path"', '""'];
  return splice(document, matches(document, /"[A-Za-z]+"(?=\s*:)/g), random, () => names[random(names.length)] ?? '');
}

/** Takes out one member or item, with a comma. */
function dropPart(document: Buffer, random: Random): Buffer {
  return splice(document, matches(document, /"[A-Za-z]+"\s*:\s*("[^"]*"|\d+|true|false)\s*,/g), random, () => '');
}

/** Says one member twice. */
function repeatMember(document: Buffer, random: Random): Buffer {
  return splice(
    document,
    matches(document, /"[A-Za-z]+"\s*:\s*("[^"]*"|\d+|true|false)\s*,/g),
    random,
    (member) => member + member,
  );
}

function flipByte(document: Buffer, random: Random): Buffer {
  const copy = Buffer.from(document);
  const at = random(copy.length);
  copy[at] = random(2) === 0 ? random(256) : (copy[at] ?? 0) ^ (1 << random(8));
  return copy;
}

function splice(document: Buffer, places: RegExpMatchArray[], random: Random, by: (old: string) => string): Buffer {
  const place = places[random(Math.max(1, places.length))];
  if (place?.index === undefined) return document;
  const text = document.toString();
  return Buffer.from(text.slice(0, place.index) + by(place[0]) + text.slice(place.index + place[0].length));
}
