import { expect, it } from 'vitest';
import { exitCodeOf } from './exit-code.ts';

it.for([
  ['E_USAGE', 2],
  ['E_AGENT_ID_INVALID', 2],
  ['E_AGENT_MISMATCH', 2],
  ['E_CONFIG_NOT_FOUND', 2],
  ['E_CONFIG_INVALID', 2],
  ['E_PLUGIN_NOT_FOUND', 2],
  ['E_PLUGIN_OPTIONS', 2],
  ['E_SERVICE_MISSING', 2],
  ['E_TRANSPORT_ADDRESS', 2],
  ['E_TRANSPORT_INSECURE', 2],
  ['E_VALIDATION_CONSTRAINT', 2],
  ['E_NOT_FOUND_AGENT', 4],
  ['E_NOT_FOUND_DEAD_LETTER', 4],
  ['E_NO_AGENT', 4],
  ['E_ALREADY_RUNNING', 5],
  ['E_NOT_RUNNING', 3],
  ['E_PLUGIN_FAILED', 1],
  ['E_PLUGIN_TIMEOUT', 1],
  ['E_STORAGE_FULL', 1],
  ['E_LISTEN_FAILED', 1],
  ['E_TRANSPORT_UNAVAILABLE', 1],
  ['E_TRANSPORT_UNREACHABLE', 1],
  ['E_UNEXPECTED', 1],
] as const)('%s ends with %i', ([code, exit]) => {
  expect(exitCodeOf(code)).toBe(exit);
});
