import { transportConformance } from '@cleocode/contracts/testing';
import { brokerBehindProxy, brokerOnPath } from './backend.ts';

/** The whole table, with nothing but Node. `node conformance.ts path` runs it on a Unix socket. */
const newHarness = process.argv[2] === 'path' ? brokerOnPath : brokerBehindProxy;
let [failed, skipped] = [0, 0];
const rows = transportConformance();
for (const { name, run } of rows) {
  const harness = await newHarness((reason) => {
    skipped += 1;
    console.log(`skip  ${name} (${reason})`);
  });
  await run(harness).catch((error) => {
    failed += 1;
    console.log(`FAIL  ${name}\n${error.stack}`);
  });
  await harness.close();
}
console.log(`${rows.length - failed - skipped} hold, ${skipped} skipped, ${failed} fail`);
process.exitCode = failed === 0 ? 0 : 1;
