import { checkAgentId } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { dryKernel } from '../config/dry-kernel.ts';
import type { Configuration } from '../configuration.ts';
import { backendName } from '../credential-view.ts';
import { agentChecks } from '../doctor/agent.ts';
import { agentsToCheck, registered } from '../doctor/agents.ts';
import { configurationFindings, environmentFindings } from '../doctor/configuration.ts';
import { type Check, type Finding, findingsOf, ok } from '../doctor/finding.ts';
import { machineChecks } from '../doctor/machine.ts';
import { oldCredentials } from '../doctor/old-credentials.ts';
import { stateFolderChecks } from '../doctor/state-folder.ts';
import { type Group, tell } from '../doctor/tell.ts';
import { EXIT } from '../exit-code.ts';
import { stderrLogger } from '../logger.ts';
import { kernelConfig } from '../start/kernel-config.ts';
import { type State, withState } from '../state.ts';

const DEFAULTS: Configuration = { config: { plugins: [] }, file: undefined, environment: {} };

/** Looks at everything an agent needs, changes nothing, and ends with 3 where something keeps it from working. */
export async function run(cli: Cli, word: string | undefined): Promise<void> {
  if (word !== undefined) checkAgentId(word);
  const groups = await withState((state) => examine(cli, state, word));
  if (tell(cli.output, groups) > 0) cli.exitCode = EXIT.unhealthy;
}

async function examine({ output, globals }: Cli, state: State, word: string | undefined): Promise<Group[]> {
  const [machine, folder, environment, configuration, known] = await Promise.all([
    all(machineChecks(state.dir)),
    all(stateFolderChecks(state.dir)),
    all([{ check: 'environment', look: () => environmentFindings() }]),
    configurationFindings(globals),
    registered(state),
  ]);
  const loaded = configuration.loaded ?? DEFAULTS;
  const usable = configuration.loaded !== undefined;
  const agents = agentsToCheck(known, loaded.config.agent, { word, stateDir: state.dir });
  const { store } = known;
  const [old, alone, ...each] = await Promise.all([
    all([{ check: 'old-credentials', look: () => oldCredentials(state.dir, known.agents) }]),
    usable && agents.length === 0
      ? all([firstStart({ state, loaded, unread: known.unread }, stderrLogger('error', output))])
      : [],
    ...agents.map((agent) => all(agentChecks({ state, store, agent, loaded, usable, output }))),
  ]);
  return [
    { title: 'This machine', findings: machine },
    { title: `State in ${state.dir}`, findings: [...folder, ...known.findings, ...old] },
    { title: 'Configuration', findings: [...environment, ...configuration.findings, ...alone] },
    ...agents.map((agent, index) => ({
      title: `Agent ${agent.agentId} (${backendName(agent)})`,
      findings: each[index]!,
    })),
  ];
}

async function all(checks: readonly Check[]): Promise<Finding[]> {
  return (await Promise.all(checks.map(findingsOf))).flat();
}

interface Folder {
  state: State;
  loaded: Configuration;
  /** It could not be read who is registered. */
  unread: boolean;
}

/** Nobody is registered yet, as far as is known: whether the configuration's plugins fit together is known all the same. */
function firstStart({ state, loaded, unread }: Folder, logger: ReturnType<typeof stderrLogger>): Check {
  return {
    check: 'plugins',
    look: async () => {
      const { agent } = loaded.config;
      const { id: agentId = 'an-agent', apiBaseUrl = 'local:' } = agent ?? {};
      const config = await kernelConfig({ stateDir: state.dir, credential: { agentId, apiBaseUrl }, loaded });
      const { plugins } = await dryKernel(config, logger);
      return [
        ...(agent && !unread
          ? [ok('agent', `${agentId} is registered at its first start (${backendName({ apiBaseUrl })})`)]
          : []),
        ok('plugins', `${plugins.length} plugins fit together`),
      ];
    },
  };
}
