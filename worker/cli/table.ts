import { styleText } from 'node:util';

/** A cell of a table for people. */
export type Cell = string | { text: string; colour: 'green' | 'red' };

/** Left-aligned columns, two spaces apart; the last one is not padded. Colours only where stdout shows them. */
export function renderTable(rows: readonly (readonly Cell[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, textOf(cell).length);
    });
  }
  return rows
    .map((row) =>
      row
        .map((cell, column) => render(cell, widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function textOf(cell: Cell): string {
  return typeof cell === 'string' ? cell : cell.text;
}

function render(cell: Cell, width: number): string {
  const padded = textOf(cell).padEnd(width);
  return typeof cell === 'string' ? padded : styleText(cell.colour, padded, { stream: process.stdout });
}
