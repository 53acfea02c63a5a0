import { capabilityFaults } from './faults/capability.test.kit.ts';
import { connectionFaults } from './faults/connection.test.kit.ts';
import type { Fault } from './faults/fault.test.kit.ts';
import { receivingFaults } from './faults/receiving.test.kit.ts';
import { sendingFaults } from './faults/sending.test.kit.ts';

/** At least one for every row of the conformance table. */
export const faults: Fault[] = [
  ...connectionFaults,
  ...sendingFaults,
  ...receivingFaults,
  ...capabilityFaults,
];
