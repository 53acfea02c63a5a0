/**
 * Adds up what `.ci/run` did and prints `N passed, N failed, N skipped`; exits 1 when anything failed.
 *
 * Its argument is a file of lines `stage <tab> exit code <tab> report`. The report is a JSON file of vitest or of the
 * fault suite, whose tests are counted, or `-` for a stage that counts as one. A test stage can never look better than
 * its exit code: a missing or broken report, one without tests, or a failure no test accounts for counts as one failure.
 */
import { readFileSync } from 'node:fs';

type Status = 'passed' | 'failed' | 'skipped';

interface VitestReport {
  testResults: { status: string; assertionResults: { status: string }[] }[];
}

interface FaultReport {
  results: { status: Status }[];
}

const statuses = readFileSync(process.argv[2]!, 'utf8').trim().split('\n').flatMap(statusesOf);
const count = (status: Status) => statuses.filter((one) => one === status).length;
console.log(`${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`);
process.exitCode = count('failed') > 0 ? 1 : 0;

function statusesOf(line: string): Status[] {
  const [stage, code, report] = line.split('\t') as [string, string, string];
  const outcome = code === '0' ? 'passed' : 'failed';
  if (report === '-') return [outcome];
  const tests = testsOf(stage, report);
  const unexplained = tests.length === 0 || (outcome === 'failed' && !tests.includes('failed'));
  return unexplained ? [...tests, 'failed'] : tests;
}

function testsOf(stage: string, file: string): Status[] {
  const report = read(stage, file);
  if (!report) return [];
  if ('results' in report) return report.results.map(({ status }) => status);
  return report.testResults.flatMap(({ status, assertionResults }): Status[] => {
    const tests = assertionResults.map((test) => statusOf(test.status));
    // A file that could not be loaded fails without a test to show for it.
    return status === 'failed' && !tests.includes('failed') ? [...tests, 'failed'] : tests;
  });
}

function read(stage: string, file: string): VitestReport | FaultReport | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    console.error(`${stage} left no report: ${(error as Error).message}`);
    return undefined;
  }
}

/** vitest also says `pending` and `todo` of tests that did not run. */
function statusOf(said: string): Status {
  return said === 'passed' || said === 'failed' ? said : 'skipped';
}
