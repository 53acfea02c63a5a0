import type { Backend, Workbench } from './workbench.ts';

/** One fault and what must hold under it. */
export interface Scenario {
  /** A sentence: given …, then …. */
  name: string;
  /** What it runs on, once for each. Default: the embedded backend. */
  backends?: readonly Backend[];
  /** Why it cannot run on this machine, such as a missing program. */
  skip?: () => string | undefined;
  /** The longest it may take, in milliseconds. Default 60,000. */
  limitMs?: number;
  /** It measures what the machine can do, or takes most of it: nothing else runs beside it. */
  alone?: boolean;
  run(bench: Workbench): Promise<void>;
}
