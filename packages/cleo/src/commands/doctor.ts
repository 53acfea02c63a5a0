import { type AgentCredential, CleoError } from '@cleocode/contracts';
import type { Store } from '@cleocode/store';
import { checkAgentId, storedAgent } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { dryKernel } from '../config/dry-kernel.ts';
import type { Configuration } from '../configuration.ts';
import { backendName } from '../credential-view.ts';
import { agentChecks } from '../doctor/agent.ts';
import { configurationFindings, environmentFindings } from '../doctor/configuration.ts';
import { databaseFinding } from '../doctor/databases.ts';
import { type Check, type Finding, findingsOf, ok } from '../doctor/finding.ts';
import { machineChecks } from '../doctor/machine.ts';
import { oldCredentials } from '../doctor/old-credentials.ts';
import { stateFolderChecks } from '../doctor/state-folder.ts';
import { EXIT } from '../exit-code.ts';
import { stderrLogger } from '../logger.ts';
import type { Output } from '../output.ts';
import { selfCommand } from '../self-command.ts';
import { kernelConfig } from '../start/kernel-config.ts';
import { type State, withState } from '../state.ts';
import { printable } from '../terminal-text.ts';

interface Group {
  title: string;
  findings: Finding[];
}

const DEFAULTS: Configuration = { config: { plugins: [] }, file: undefined, environment: {} };

/** Looks at everything an agent needs, changes nothing, and ends with 3 where something keeps it from working. */
export async function run(cli: Cli, word: string | undefined): Promise<void> {
  const { output, globals } = cli;
  if (word !== undefined) checkAgentId(word);
  const groups = await withState(async (state) => {
    const known = readAgents(state, word);
    const [machine, folder, environment, configuration, { findings: registered, agents, store }] =
      await Promise.all([
        all(machineChecks(state.dir)),
        all(stateFolderChecks(state.dir)),
        all([{ check: 'environment', look: () => environmentFindings() }]),
        configurationFindings(globals),
        known,
      ]);
    const loaded = configuration.loaded ?? DEFAULTS;
    const usable = configuration.loaded !== undefined;
    const [old, alone, ...each] = await Promise.all([
      all([{ check: 'old-credentials', look: () => oldCredentials(state.dir, agents) }]),
      usable && agents.length === 0 ? all([pluginsAlone(state, loaded, output)]) : [],
      ...agents.map((credential) =>
        all(agentChecks({ state, store: store!, credential, loaded, usable, output })),
      ),
    ]);
    return [
      { title: 'This machine', findings: machine },
      { title: `State in ${state.dir}`, findings: [...folder, ...registered, ...old] },
      { title: 'Configuration', findings: [...environment, ...configuration.findings, ...alone] },
      ...agents.map((credential, index) => ({
        title: `Agent ${credential.agentId} (${backendName(credential)})`,
        findings: each[index]!,
      })),
    ];
  });
  if (tell(output, groups) > 0) cli.exitCode = EXIT.unhealthy;
}

async function all(checks: readonly Check[]): Promise<Finding[]> {
  return (await Promise.all(checks.map(findingsOf))).flat();
}

interface Registered {
  findings: Finding[];
  agents: AgentCredential[];
  /** There when there are agents. */
  store?: Store;
}

/** The databases, and who is registered: a damaged one is not opened any further. Throws `E_NOT_FOUND_AGENT`. */
async function readAgents(state: State, word: string | undefined): Promise<Registered> {
  const names = ['state.db', 'signaldock.db'] as const;
  const findings = await all(
    names.map((name) => ({ check: name, look: () => databaseFinding(state.dir, name) })),
  );
  const broken = findings.some(({ check, status }) => check === 'state.db' && status === 'error');
  let agents: AgentCredential[] = [];
  let store: Store | undefined;
  const look = async (): Promise<Finding[]> => {
    if (!state.hasStore) return [nobody()];
    store = await state.store();
    agents = await store.registry.list();
    return agents.length === 0 ? [nobody()] : [ok('agents', agents.map(({ agentId }) => agentId).join(', '))];
  };
  if (!broken) findings.push(...(await findingsOf({ check: 'agents', look })));
  const unread = broken || findings.some(({ check, status }) => check === 'agents' && status === 'error');
  if (word !== undefined && !unread) {
    const one = await storedAgent(state, word);
    if (!one) throw notRegistered(word, state.dir);
    agents = [one];
  }
  return { findings, agents, ...(store && { store }) };
}

function nobody(): Finding {
  const self = selfCommand();
  return ok(
    'agents',
    'none is registered here yet',
    `Begin with: ${self} init. Or: ${self} agent register my-agent`,
  );
}

function notRegistered(agentId: string, folder: string): CleoError {
  return new CleoError('E_NOT_FOUND_AGENT', `agent "${agentId}" is not registered in ${folder}`, {
    hint: `See who is: ${selfCommand()} agent list. Or look at everything: ${selfCommand()} doctor`,
    details: { agentId },
  });
}

/** Nobody is registered yet: whether the configuration's plugins fit together is known all the same. */
function pluginsAlone(state: State, loaded: Configuration, output: Output): Check {
  return {
    check: 'plugins',
    look: async () => {
      const agent = loaded.config.agent;
      const credential = { agentId: agent?.id ?? 'an-agent', apiBaseUrl: agent?.apiBaseUrl ?? 'local:' };
      const config = kernelConfig({ stateDir: state.dir, credential, loaded });
      const { plugins } = await dryKernel(config, stderrLogger('error', output));
      return [ok('plugins', `${plugins.length} plugins fit together`)];
    },
  };
}

/** Answers how many errors there are. */
function tell(output: Output, groups: readonly Group[]): number {
  const findings = groups.flatMap((group) => group.findings);
  const errors = findings.filter(({ status }) => status === 'error').length;
  const warnings = findings.filter(({ status }) => status === 'warning').length;
  if (output.json) {
    for (const finding of findings) output.line(finding);
    output.line({ ok: errors === 0, errors, warnings });
    return errors;
  }
  const width = Math.max(...findings.map(({ check }) => check.length));
  for (const { title, findings: found } of groups)
    output.text([title, ...found.map((one) => line(output, one, width)), ''].join('\n'));
  output.text(summary(errors, warnings));
  return errors;
}

const MARKS = {
  ok: ['green', 'ok     '],
  warning: ['yellow', 'warning'],
  error: ['red', 'error  '],
} as const;

function line(output: Output, { check, status, message, hint }: Finding, width: number): string {
  const [colour, mark] = MARKS[status];
  const head = `  ${output.style(colour, mark)}  ${check.padEnd(width)}  `;
  const indent = ' '.repeat(2 + mark.length + 2 + width + 2);
  const text = printable(message).trimEnd().replaceAll('\n', `\n${indent}`);
  if (hint === undefined || hint === '') return head + text;
  return `${head}${text}\n${indent}→ ${printable(hint).replaceAll('\n', `\n${indent}  `)}`;
}

function summary(errors: number, warnings: number): string {
  if (errors + warnings === 0) return 'All is well.';
  const count = (n: number, what: string) => (n === 0 ? [] : [`${n} ${what}${n === 1 ? '' : 's'}`]);
  return `${[...count(errors, 'error'), ...count(warnings, 'warning')].join(', ')}.`;
}
