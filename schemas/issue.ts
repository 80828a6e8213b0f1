/** What is wrong with a document, at one place. */
export type Issue = {
  /** The field, dotted: `policy.limits.memoryBytes`, `files[0].path`; empty for the whole document. */
  path: string;
  /** A schema keyword (`required`, `maximum`, …) or one of the rules of `json-text.ts` and `rules.ts`. */
  rule: string;
  /** What is allowed, in words that name the field; at most 1000 characters. */
  message: string;
};

/** A document that passed every check, or what is wrong with it: at least one issue, the first one found first. */
export type Parsed<T> = { ok: true; value: T } | { ok: false; issues: Issue[] };

const PATH_MAX_CHARACTERS = 256;
const MESSAGE_MAX_CHARACTERS = 1000;

/** An issue whose path and message are bounded, whatever the document calls its fields. */
export function issue(path: string, rule: string, allowed: string): Issue {
  const field = cut(path, PATH_MAX_CHARACTERS);
  return {
    path: field,
    rule,
    message: cut(`${field === '' ? 'the document' : field} ${allowed}`, MESSAGE_MAX_CHARACTERS - 1),
  };
}

/** The path of a field of what lies at `path`: `policy` and `limits` make `policy.limits`. */
export function fieldOf(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

/** The path of an item of what lies at `path`: `files` and 0 make `files[0]`. */
export function itemOf(path: string, index: number): string {
  return `${path}[${index}]`;
}

/** The first `most` code points of a text, then … if there were more. */
function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  const points = [...text.slice(0, 2 * most + 2)];
  return points.length <= most ? text : `${points.slice(0, most).join('')}…`;
}
