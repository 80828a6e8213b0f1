// Counts of a suite, read from what the test programs themselves report.

/** What one suite came to. `failures` and `skipped` are names for a person to find them by. */
export interface Tally {
  passed: number;
  failures: string[];
  skipped: string[];
}

interface VitestReport {
  testResults: {
    name: string;
    status: string;
    message: string;
    assertionResults: { fullName: string; status: string }[];
  }[];
}

/** Reads the file that vitest's JSON reporter wrote. A file of tests that could not be loaded is a failure of its own. */
export function tallyVitest(json: string): Tally {
  const tally: Tally = { passed: 0, failures: [], skipped: [] };
  for (const file of (JSON.parse(json) as VitestReport).testResults) {
    for (const { fullName, status } of file.assertionResults) {
      if (status === 'passed') tally.passed += 1;
      else if (status === 'failed') tally.failures.push(fullName);
      else tally.skipped.push(fullName);
    }
    const told = file.assertionResults.some(({ status }) => status === 'failed');
    if (file.status === 'failed' && !told) tally.failures.push(`${file.name}: ${file.message.split('\n')[0]}`);
  }
  return tally;
}

/** Reads the lines `test NAME ... ok` that Rust's test programs print. */
export function tallyLibtest(output: string): Tally {
  const tally: Tally = { passed: 0, failures: [], skipped: [] };
  for (const [, name = '', verdict] of output.matchAll(/^test (.+?) \.\.\. (ok|FAILED|ignored)/gm)) {
    if (verdict === 'ok') tally.passed += 1;
    else if (verdict === 'FAILED') tally.failures.push(name);
    else tally.skipped.push(name);
  }
  return tally;
}
