import type { ConduitMessage } from '@cleocode/contracts';
import {
  createLogger,
  definePlugin,
  type LogRecord,
  type Plugin,
  type PluginDefinition,
  type PluginFactory,
} from './index.ts';

/** A definition with the members nobody cares about filled in. */
// biome-ignore lint/suspicious/noExplicitAny: tests define plugins of every type
export function define(definition: Partial<PluginDefinition<any, any, any, any, any>>): PluginFactory<any> {
  return definePlugin({ name: 'plugin', version: '1.0.0', apiVersion: 1, setup() {}, ...definition });
}

/** A plugin without options, ready for a list. */
export function plugin(name: string, setup: PluginDefinition['setup'] = () => {}): Plugin {
  return define({ name, setup })();
}

export interface Records {
  logger: ReturnType<typeof createLogger>;
  records: LogRecord[];
  /** What was logged at `level`, as text. */
  at(level: LogRecord['level']): string[];
}

export function recordLogs(): Records {
  const records: LogRecord[] = [];
  return {
    logger: createLogger('debug', (record) => records.push(record)),
    records,
    at: (level) => records.filter((record) => record.level === level).map(({ message }) => message),
  };
}

let messages = 0;

export function message(parts: Partial<ConduitMessage> = {}): ConduitMessage {
  messages += 1;
  const id = `message-${messages}`;
  return { id, from: 'someone', content: 'hello', timestamp: '2026-01-01T00:00:00Z', ...parts };
}

export interface Gate {
  readonly passed: Promise<void>;
  open(): void;
}

/** Something to wait at until the test says go. */
export function gate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { passed: promise, open: resolve };
}

export const never = (): Promise<never> => new Promise(() => {});
