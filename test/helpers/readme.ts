import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const CLONE = fileURLToPath(new URL('../..', import.meta.url));

/** The fenced blocks of one language in the README, in their order. */
export function readmeBlocks(language: string): string[] {
  const text = readFileSync(`${CLONE}README.md`, 'utf8');
  return [...text.matchAll(/^```(\S+)\n([\s\S]*?)^```$/gm)]
    .filter(([, fence]) => fence === language)
    .map(([, , body = '']) => body);
}
