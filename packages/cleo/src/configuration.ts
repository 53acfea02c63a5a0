import { CleoError } from '@cleocode/contracts';
import { type AgentConfig, type LoadedConfig, loadConfig } from '@cleocode/kernel';
import type { GlobalOptions } from './cli.ts';
import { type Environment, readEnvironment, readKeyFile } from './environment.ts';
import { UsageError } from './usage-error.ts';

/** A configuration with what the environment says laid over it. */
export interface Configuration extends LoadedConfig {
  environment: Environment;
}

/** The configuration a command works with: `--config`, else `CLEO_CONFIG`, else the one that is found; and the environment. */
export async function loadConfiguration(globals: Pick<GlobalOptions, 'config'>): Promise<Configuration> {
  const environment = readEnvironment();
  const { config, file } = await load(globals.config, environment.config);
  const agent = agentOf(config.agent, environment);
  return { config: { ...config, ...(agent && { agent }) }, file, environment };
}

async function load(flag: string | undefined, variable: string | undefined): Promise<LoadedConfig> {
  if (flag !== undefined || variable === undefined) return loadConfig({ file: flag });
  try {
    return await loadConfig({ file: variable });
  } catch (error) {
    if (!CleoError.is(error, 'E_CONFIG_NOT_FOUND')) throw error;
    throw new CleoError(error.code, `CLEO_CONFIG: ${error.message}`, {
      hint: 'Correct the path in the variable, or unset it to look for cleo.config.ts from here upwards.',
      details: error.details,
      cause: error,
    });
  }
}

/** What the file says of one agent is nothing about another that the environment names. */
function agentOf(
  configured: AgentConfig | undefined,
  { agent, apiUrl, apiKeyFile }: Environment,
): AgentConfig | undefined {
  const id = agent ?? configured?.id;
  if (id === undefined) {
    const stray =
      apiUrl !== undefined ? 'CLEO_API_URL' : apiKeyFile !== undefined ? 'CLEO_API_KEY_FILE' : undefined;
    if (stray)
      throw new UsageError(
        `${stray} is about an agent, and neither CLEO_AGENT nor the configuration names one`,
        'Set CLEO_AGENT to the id of the agent.',
      );
    return undefined;
  }
  return {
    ...(configured?.id === id && configured),
    id,
    ...(apiUrl !== undefined && { apiBaseUrl: apiUrl }),
    ...(apiKeyFile !== undefined && { apiKey: readKeyFile(apiKeyFile) }),
  };
}
