import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { CleoError } from '@cleocode/contracts';
import { checkAgentId, runningPid } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { agentToShow } from '../config/agent-to-show.ts';
import { loadConfiguration } from '../configuration.ts';
import type { Output } from '../output.ts';
import { selfCommand } from '../self-command.ts';
import { execute, type Keeper, keeperOf } from '../service/keeper.ts';
import { type Service, serviceOf } from '../service/service.ts';
import { shellWord } from '../shell-word.ts';
import { commandHandlers } from '../start/kernel-config.ts';
import { withState } from '../state.ts';
import { refuseContradictions, type StartOptions } from './agent-start.ts';

export interface InstallOptions extends StartOptions {
  print?: boolean;
  force?: boolean;
}

/** A start waits until the agent is ready. */
const UP_MS = 60_000;

/** Has systemd (on macOS launchd) keep an agent running, with the flags of `cleo agent start`. No key is written down. */
export async function run(cli: Cli, id: string | undefined, options: InstallOptions): Promise<void> {
  const { output, globals } = cli;
  if (id !== undefined) checkAgentId(id);
  refuseContradictions([], options);
  const loaded = await loadConfiguration(globals);
  // What would keep it from starting is told now.
  await commandHandlers(options);
  await withState(async (state) => {
    const { agentId } = await agentToShow(state, id, loaded);
    const keeper = keeperOf(agentId);
    const service = serviceOf({
      agentId,
      stateDir: state.dir,
      options,
      globals,
      environment: loaded.environment,
      timeouts: loaded.config.timeouts,
      isConfigured: loaded.config.agent?.id === agentId,
      env: process.env,
    });
    const content = await keeper.write(service);
    noteSecret(output, options);
    if (options.print) return print(output, { agentId, keeper, content });
    const written = writeUnlessThere(keeper, content, options.force ?? false);
    const pid = runningPid(state, agentId);
    await bringUp(output, { service, keeper, written, pid });
  });
}

function print(
  output: Output,
  { agentId, keeper, content }: { agentId: string; keeper: Keeper; content: string },
): void {
  output.result({ ok: true, agentId, name: keeper.name, file: keeper.file, content }, content.trimEnd());
}

/** Answers whether it wrote the file. Throws `E_CONFLICT_ALREADY_EXISTS` where another one is. */
function writeUnlessThere({ file }: Keeper, content: string, force: boolean): boolean {
  const there = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  if (there === content) return false;
  if (there !== undefined && !force)
    throw new CleoError('E_CONFLICT_ALREADY_EXISTS', `${file} is there already, and says something else`, {
      hint: 'See what would be written with --print. To replace it: --force',
      details: { file },
    });
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, content, { mode: 0o644, flag: 'wx' });
    renameSync(temporary, file);
  } finally {
    rmSync(temporary, { force: true });
  }
  return true;
}

interface Installed {
  service: Service;
  keeper: Keeper;
  written: boolean;
  /** The process that runs the agent now. */
  pid: number | undefined;
}

async function bringUp(output: Output, { service, keeper, written, pid }: Installed): Promise<void> {
  const { agentId } = service;
  const commands = keeper.up.map((command) => command.map(shellWord).join(' '));
  keeper.prepare(service);
  const there = await keeper.isThere();
  if (there) await inOrder(keeper, pid);
  const head = `${keeper.file} is ${written ? 'written' : 'as it should be'}.`;
  const text = there
    ? [head, `${agentId} runs, and is kept running.`, '', ...hintLines(keeper)]
    : [
        head,
        'The service manager of this user cannot be asked from here. Where it can:',
        '',
        ...commands.map((one) => `  ${one}`),
        '',
        ...hintLines(keeper),
      ];
  output.result(
    {
      ok: true,
      agentId,
      name: keeper.name,
      file: keeper.file,
      written,
      started: there,
      ...(!there && { commands }),
    },
    text.join('\n'),
  );
}

async function inOrder(keeper: Keeper, pid: number | undefined): Promise<void> {
  for (const command of keeper.up)
    try {
      await execute(command, UP_MS);
    } catch (cause) {
      const { stderr = '', killed } = cause as { stderr?: string; killed?: boolean };
      const why = killed ? `no answer in ${UP_MS / 1_000} s` : stderr.trim().split('\n', 1)[0] || 'it failed';
      const other = pid === undefined ? '' : `Process ${pid} runs the agent already: stop it first. `;
      throw new CleoError('E_INSTALL_FAILED', `${command.map(shellWord).join(' ')}: ${why}`, {
        hint: `${other}${keeper.file} is written. ${keeper.hints.map(([what, how]) => `${what}: ${how}`)[1] ?? ''}`.trim(),
        details: { file: keeper.file },
        cause,
      });
    }
}

function hintLines({ hints }: Keeper): string[] {
  const width = Math.max(...hints.map(([what]) => what.length));
  return hints.map(([what, command]) => `  ${`${what}:`.padEnd(width + 1)}  ${command}`);
}

/** It is no matter for a file that others may read. */
function noteSecret(output: Output, { webhook }: InstallOptions): void {
  if (!webhook || !process.env.CLEO_WEBHOOK_SECRET) return;
  output.note(
    `note: CLEO_WEBHOOK_SECRET is not written down here; give it to the service itself. See: ${selfCommand()} agent install --help`,
  );
}
