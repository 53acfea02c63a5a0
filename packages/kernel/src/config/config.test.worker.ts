/**
 * Loads configurations for the tests in a Node of its own. Inside Vitest every import goes through Vite, which compiles
 * enums, knows no `type: commonjs`, and words its errors differently.
 */
import { type LoadConfigOptions, loadConfig, type Plugin } from '../index.ts';

export interface Job {
  id: number;
  options: LoadConfigOptions;
}

export interface Outcome {
  file?: string | undefined;
  config?: Record<string, unknown>;
  error?: Record<string, unknown>;
}

process.on('message', async ({ id, options }: Job) => {
  process.send!({ id, outcome: await outcomeOf(options) });
});

process.send!({ id: 0 });

async function outcomeOf(options: LoadConfigOptions): Promise<Outcome> {
  try {
    const { file, config } = await loadConfig(options);
    const { transport, plugins, ...rest } = config;
    return {
      file,
      config: {
        ...rest,
        ...(transport && {
          transport: 'definition' in transport ? show(transport) : { name: transport.name },
        }),
        plugins: plugins.map(show),
      },
    };
  } catch (error) {
    return { error: plain(error) };
  }
}

function show({ definition, options }: Plugin): object {
  return { name: definition.name, ...(options !== undefined && { options }) };
}

function plain(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { thrown: error };
  const { name, message, cause } = error;
  const { code, hint, details, plugin } = error as Error & Record<string, unknown>;
  return { name, message, code, hint, details, plugin, ...('cause' in error && { cause: plain(cause) }) };
}
