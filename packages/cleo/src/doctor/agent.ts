import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CleoError, isAuthError, withDeadline } from '@cleocode/contracts';
import { isPlugin, type Plugin } from '@cleocode/kernel';
import type { Store } from '@cleocode/store';
import { HttpTransport, httpTransport } from '@cleocode/transport-http';
import { isLocal, runningPid } from '../agents.ts';
import { dryKernel } from '../config/dry-kernel.ts';
import { resolvedOptions } from '../config/plugin-settings.ts';
import type { Configuration } from '../configuration.ts';
import { controlAddress } from '../control/address.ts';
import { ask } from '../control/client.ts';
import { duration } from '../duration.ts';
import { failureOf } from '../failure.ts';
import { stderrLogger } from '../logger.ts';
import type { Output } from '../output.ts';
import { httpOptionsOf } from '../register-remotely.ts';
import { selfCommand } from '../self-command.ts';
import { unitFile } from '../service/keeper.ts';
import { shellWord } from '../shell-word.ts';
import { kernelConfig } from '../start/kernel-config.ts';
import type { AgentStatus } from '../start/resident.ts';
import type { State } from '../state.ts';
import type { AgentToCheck } from './agents.ts';
import { type Check, error, type Finding, ok, warning } from './finding.ts';

const ASK_MS = 3_000;
/** What an answer that never comes may cost. */
const DEADLINES = {
  connectTimeoutMs: 2_000,
  headersTimeoutMs: 2_500,
  bodyTimeoutMs: 2_500,
  timeoutMs: 2_500,
};
const SKEW_WARNING_MS = 30_000;
const SKEW_ERROR_MS = 5 * 60_000;
const ROTATION = '@cleocode/plugin-key-rotation';

export interface AgentParts {
  state: State;
  /** There when somebody is registered. */
  store: Store | undefined;
  agent: AgentToCheck;
  /** The configuration, or the defaults where that cannot be used. */
  loaded: Configuration;
  /** The configuration can be used: what it makes of this agent is worth a look. */
  usable: boolean;
  output: Output;
}

/** All that can be known of one agent without starting it. */
export function agentChecks(parts: AgentParts): Check[] {
  const { agentId } = parts.agent;
  const checks: Check[] = [
    ...(parts.usable ? [{ check: 'plugins', look: () => plugins(parts) }] : []),
    { check: 'backend', look: () => backend(parts) },
    { check: 'key-age', look: () => keyAge(parts) },
    { check: 'process', look: () => running(parts) },
    { check: 'service', look: () => service(parts) },
    { check: 'dead-letters', look: () => deadLetters(parts) },
  ];
  return checks.map((one) => ({ ...one, agentId }));
}

async function plugins({ state, agent: credential, loaded, output }: AgentParts): Promise<Finding[]> {
  const config = await kernelConfig({ stateDir: state.dir, credential, loaded });
  const { plugins: all } = await dryKernel(config, stderrLogger('error', output));
  return [ok('plugins', `${all.length} plugins fit together`)];
}

async function backend(parts: AgentParts): Promise<Finding[]> {
  const { agent, loaded } = parts;
  const { transport, plugins: own } = loaded.config;
  const other = [transport, ...own].find((one) => isPlugin(one) && bringsTransport(one));
  if (other && (other as Plugin).definition.name !== httpTransport.definition.name)
    return [
      ok(
        'backend',
        `reached by ${(other as Plugin).definition.name}, which only a running agent can tell of`,
      ),
    ];
  return isLocal(agent) ? embedded(parts) : overHttp(parts);
}

function bringsTransport({ definition }: Plugin): boolean {
  return (definition.provides ?? []).some(({ id }) => id === 'transport');
}

async function embedded({ state, agent: { agentId } }: AgentParts): Promise<Finding[]> {
  const again = `${selfCommand()} agent register ${agentId}`;
  if (!state.hasDock)
    return [error('backend', `the embedded backend is gone: there is no ${state.dockFile}`, again)];
  try {
    await (await state.dock()).getAgent(agentId);
    return [ok('backend', 'the embedded one knows it')];
  } catch (thrown) {
    if (!CleoError.is(thrown, 'E_NOT_FOUND_AGENT')) throw thrown;
    return [error('backend', `the embedded backend does not know ${agentId}`, again)];
  }
}

/** One request tells whether the backend answers, takes the key, and what time it is there. */
async function overHttp({ agent, loaded }: AgentParts): Promise<Finding[]> {
  const { agentId, apiBaseUrl, apiKey, transportConfig } = agent;
  const transport = new HttpTransport({
    ...httpOptionsOf(loaded.config.transport),
    ...(transportConfig.allowInsecure === true && { allowInsecure: true }),
    ...DEADLINES,
  });
  await transport.connect({ agentId, apiBaseUrl, apiKey });
  try {
    await transport.verifyKey(apiKey);
    return [ok('backend', `${apiBaseUrl} answers`), ok('key', 'accepted'), ...clock(transport.serverTime())];
  } catch (thrown) {
    const answered = clock(transport.serverTime());
    if (answered.length === 0) return [unreachable(apiBaseUrl, thrown)];
    return [...refusal(agent, thrown), ...answered];
  } finally {
    await transport.disconnect();
  }
}

function unreachable(apiBaseUrl: string, thrown: unknown): Finding {
  const { message, hint, code } = failureOf(thrown);
  if (code === 'E_TRANSPORT_TIMEOUT')
    return error(
      'backend',
      `${apiBaseUrl} cannot be used: no answer within ${DEADLINES.timeoutMs / 1_000} s`,
      'Check that it can be reached from here, and is not overloaded.',
    );
  return error(
    'backend',
    `${apiBaseUrl} cannot be used: ${message}`,
    hint ?? 'Check the address, the network and the backend.',
  );
}

function refusal({ agentId, apiBaseUrl }: AgentToCheck, thrown: unknown): Finding[] {
  const { message } = failureOf(thrown);
  const answers = ok('backend', `${apiBaseUrl} answers`);
  const store = `${selfCommand()} agent register ${agentId} --api-url ${apiBaseUrl} --api-key-stdin`;
  if (isAuthError(thrown))
    return [answers, error('key', `refused: ${message}`, `Store one that is taken: ${store}`)];
  if (CleoError.is(thrown, 'E_NOT_FOUND_AGENT'))
    return [
      answers,
      error(
        'key',
        `the backend does not know ${agentId}`,
        `Register it there again, or store another key: ${store}`,
      ),
    ];
  if (CleoError.is(thrown) && thrown.code.startsWith('E_RATE_'))
    return [answers, warning('key', `not known: ${message}`, 'Look again in a minute.')];
  return [unreachable(apiBaseUrl, thrown)];
}

/** Empty where nobody told what time it is there. Told to the second. */
function clock(there: number | undefined): Finding[] {
  if (there === undefined) return [];
  const skew = Date.now() - there;
  const size = Math.abs(skew);
  const words = `this clock is ${duration(size)} ${skew > 0 ? 'ahead of' : 'behind'} the backend's`;
  const cure = 'Set the clock of this machine, such as with NTP (timedatectl set-ntp true).';
  if (size > SKEW_ERROR_MS) return [error('clock', words, cure)];
  if (size > SKEW_WARNING_MS) return [warning('clock', words, cure)];
  return [ok('clock', 'agrees with the backend')];
}

async function keyAge({ agent, state, loaded }: AgentParts): Promise<Finding[]> {
  const { agentId, keyIssuedAt } = agent;
  const { plugins: composed = [] } = await kernelConfig({ stateDir: state.dir, credential: agent, loaded });
  const rotation = composed.find((one) => one && one.definition.name === ROTATION);
  const options = rotation ? ((await resolvedOptions(rotation)) as { maxKeyAgeMs?: number }) : {};
  const max = options.maxKeyAgeMs ?? 0;
  const issued = Date.parse(keyIssuedAt ?? '');
  if (Number.isNaN(issued)) return [ok('key-age', 'nobody knows when its key was issued')];
  const age = Math.max(0, Date.now() - issued);
  const words = `its key is ${duration(age)} old`;
  if (max === 0) return [ok('key-age', `${words}; it is not replaced by its age`)];
  return age > max
    ? [
        warning(
          'key-age',
          `${words}, and should be replaced after ${duration(max)}`,
          `${selfCommand()} agent rotate-key ${agentId}`,
        ),
      ]
    : [ok('key-age', `${words}; it is replaced before ${duration(max)}`)];
}

async function running({ state, agent: { agentId } }: AgentParts): Promise<Finding[]> {
  const address = controlAddress(state.dir, agentId);
  const pid = runningPid(state, agentId);
  const asked = ask(address, '/status') as Promise<AgentStatus | undefined>;
  asked.catch(() => {});
  const status = await withDeadline(
    asked,
    ASK_MS,
    () =>
      new CleoError('E_NOT_RESPONDING', `process ${pid ?? ''} does not answer`, {
        hint: 'A handler may block it. Look again; if it stays, end the process: its messages come again at the next start.',
      }),
  );
  if (status) return told(status);
  if (pid !== undefined)
    return [
      warning(
        'process',
        `process ${pid} runs it, and cannot be asked`,
        'It may be starting or stopping: look again. If it stays, its log says why.',
      ),
    ];
  const left = [join(state.dir, 'run', `${agentId}.lock.pid`), address].filter((path) => existsSync(path));
  if (left.length === 0)
    return [ok('process', 'does not run', `Run it: ${selfCommand()} agent start ${agentId}`)];
  return [
    warning(
      'process',
      `does not run, and ended without cleaning up: ${left.join(', ')}`,
      `The next start does it: ${selfCommand()} agent start ${agentId}. Or: rm ${left.map(shellWord).join(' ')}`,
    ),
  ];
}

/** A unit that `cleo agent install` has written names Node and the command where they were then. */
function service({ agent: { agentId } }: AgentParts): Finding[] {
  const file = unitFile(agentId);
  if (file === undefined || !existsSync(file)) return [];
  const [, ...programs] = /^ExecStart=(\/\S+) (\/\S+)/m.exec(readFileSync(file, 'utf8')) ?? [];
  const gone = programs.filter((program) => !existsSync(program));
  if (gone.length === 0) return [ok('service', `kept running by ${file}`)];
  const again = `Install it again, with the same flags: ${selfCommand()} agent install ${agentId} --force`;
  return [warning('service', `${file} starts what is not there: ${gone.join(', ')}`, again)];
}

/** What the process itself says is wrong. */
function told({ healthy, pid, uptimeMs, problems }: AgentStatus): Finding[] {
  const up = `process ${pid}, up ${duration(uptimeMs)}`;
  const found = problems.map(({ severity, code, message, hint = 'Its log says more.' }) =>
    (severity === 'error' ? error : warning)('process', `${code}: ${message}`, hint),
  );
  return healthy ? [ok('process', `is well (${up})`), ...found] : found;
}

async function deadLetters({ store, agent: { agentId } }: AgentParts): Promise<Finding[]> {
  const count = store ? await store.deadLettersFor(agentId).count() : 0;
  if (count === 0) return [ok('dead-letters', 'none')];
  const what = count === 1 ? '1 message failed' : `${count} messages failed`;
  return [warning('dead-letters', `${what} for good`, `${selfCommand()} agent dead-letters ${agentId}`)];
}
