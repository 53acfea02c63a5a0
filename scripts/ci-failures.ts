/**
 * Prints which tests of a report failed and what each said first: what a reader of `.ci/run` wants before any log.
 *
 * Its argument is the JSON file of vitest or of the fault suite. No report, or none that can be read: it says so.
 */
import { readFileSync } from 'node:fs';

interface VitestReport {
  testResults: { name: string; message: string; assertionResults: VitestTest[] }[];
}

interface VitestTest {
  status: string;
  fullName: string;
  failureMessages: string[];
}

interface FaultReport {
  results: { name: string; status: string; reason?: string }[];
}

const LINES = 8;
const FRAME_OF_TOOLS = /^\s+at .*(node_modules|node:internal|new Promise)/;
const TESTS = 20;

const failures = failuresOf(process.argv[2]!);
console.log(failures.slice(0, TESTS).join('\n'));
if (failures.length > TESTS) console.log(`and ${failures.length - TESTS} more`);

function failuresOf(file: string): string[] {
  let report: VitestReport | FaultReport;
  try {
    report = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    return [`no report: ${(error as Error).message}`];
  }
  if ('results' in report) {
    return report.results
      .filter(({ status }) => status === 'failed')
      .map(({ name, reason = '' }) => shown(name, reason));
  }
  return report.testResults.flatMap(({ name, message, assertionResults }) => {
    const file = name.replace(`${process.cwd()}/`, '');
    const failed = assertionResults.filter(({ status }) => status === 'failed');
    // A file that could not be loaded fails without a test to show for it.
    if (failed.length === 0) return message ? [shown(file, message)] : [];
    return failed.map((test) => shown(`${file}: ${test.fullName}`, test.failureMessages.join('\n')));
  });
}

function shown(title: string, message: string): string {
  const lines = message
    .split('\n')
    .filter((line) => line.trim() && !FRAME_OF_TOOLS.test(line))
    .slice(0, LINES);
  return [`✗ ${title}`, ...lines.map((line) => `    ${line}`)].join('\n');
}
