import { existsSync, rmSync } from 'node:fs';
import { CleoError } from '@cleocode/contracts';
import { checkAgentId } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { selfCommand } from '../self-command.ts';
import { execute, keeperOf } from '../service/keeper.ts';
import { shellWord } from '../shell-word.ts';

/** As long as the agent may take to finish what it has in hand, and more. */
const DOWN_MS = 120_000;

/** Takes away what `cleo agent install` set up: ends the agent, and starts it no more. Its registration stays. */
export async function run({ output }: Cli, id: string): Promise<void> {
  const agentId = checkAgentId(id);
  const keeper = keeperOf(agentId);
  const { file, name, down, after } = keeper;
  if (!existsSync(file))
    throw new CleoError('E_NOT_FOUND_UNIT', `${agentId} is not installed: there is no ${file}`, {
      hint: `To end it where it runs: ${selfCommand()} agent stop ${agentId}`,
      details: { file },
    });
  const there = await keeper.isThere();
  const failed: string[] = [];
  const all = async (commands: readonly string[][]) => {
    for (const command of there ? commands : [])
      await execute(command, DOWN_MS).catch(({ stderr = '' }: { stderr?: string }) => {
        failed.push(`${command.map(shellWord).join(' ')}: ${stderr.trim().split('\n', 1)[0] || 'failed'}`);
      });
  };
  await all(down);
  rmSync(file, { force: true });
  await all(after);
  for (const one of failed) output.note(`warning: ${one}`);
  output.result(
    { ok: true, agentId, name, file, stopped: there && failed.length === 0 },
    `${file} is removed.${there ? '' : ` Where the service manager can be asked: ${down.map((one) => one.map(shellWord).join(' ')).join('; ')}`}`,
  );
}
