// How the quickstart shows its jobs: a row as each ends, and at the end where everything lies.

/** One job that ended. `null` where nothing ran. */
export interface Row {
  name: string;
  outcome: string;
  wallMs: number | null;
  cpuMs: number | null;
  peakMib: number | null;
  latencyMs: number;
  asExpected: boolean;
}

const WIDTHS = [32, 40, 9, 9, 10, 11];

export function printHead(): void {
  printCells(['job', 'outcome', 'wall ms', 'CPU ms', 'peak MiB', 'latency ms']);
  console.log('-'.repeat(WIDTHS.reduce((sum, width) => sum + width, 0) + 14));
}

/** Latency is from before the submission until the result is in the producer's hands. */
export function printRow(row: Row): void {
  const number = (value: number | null): string => (value === null ? '-' : value.toFixed(1));
  printCells(
    [row.name, row.outcome, number(row.wallMs), number(row.cpuMs), number(row.peakMib), number(row.latencyMs)],
    row.asExpected ? 'as expected' : 'NOT EXPECTED',
  );
}

/** @param kept directory with what the run left for reading, as the reader would type it. */
export function printFoot(problems: string[], kept: string): void {
  if (problems.length > 0)
    console.log(`\nNot as it should be:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
  else console.log('\nEvery job ended as expected; nothing was read, reached or left behind on the host.');
  console.log(`
Results   ${kept}/results.ndjson   one result document a line
Audit     ${kept}/audit.ndjson     what was begun and how it ended; its checkpoints are beside it
Log       ${kept}/worker.log       what the worker did

Next: npm run -s bullpen-worker -- check          what this host can enforce
      npm run -s bullpen-worker -- run job.json   one job document, without Redis
      README.md                                   submitting from your own program`);
}

function printCells(cells: string[], note = ''): void {
  const padded = cells.map((cell, column) => {
    const width = WIDTHS[column] ?? 0;
    return column < 2 ? cell.padEnd(width) : cell.padStart(width);
  });
  console.log(`${padded.join('')}  ${note}`);
}
