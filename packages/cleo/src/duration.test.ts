import { expect, it } from 'vitest';
import { duration } from './duration.ts';

it.for([
  [0, '0.0 s'],
  [1_549, '1.5 s'],
  [59_999, '59.9 s'],
  [60_000, '1 min'],
  [200_000, '3 min 20 s'],
  [3_600_000, '1 h'],
  [3_605_000, '1 h'],
  [7_380_000, '2 h 3 min'],
  [187_200_000, '2 d 4 h'],
] as const)('shows %i ms as %s', ([ms, text]) => expect(duration(ms)).toBe(text));
