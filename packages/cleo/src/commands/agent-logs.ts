import { closeSync, readFileSync } from 'node:fs';
import { CleoError, redact } from '@cleocode/contracts';
import { agentOrLatest, runner } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { controlAddress } from '../control/address.ts';
import { ask } from '../control/client.ts';
import { entryDescriber, parseEntry } from '../log/describe.ts';
import { lastWordsFile, logFile } from '../log/files.ts';
import { follow } from '../log/follow.ts';
import { endOfLastRun } from '../log/last-run.ts';
import { readBack } from '../log/read-back.ts';
import type { Output } from '../output.ts';
import { selfCommand } from '../self-command.ts';
import { onStopSignal } from '../signals.ts';
import type { AgentStatus } from '../start/resident.ts';
import { withState } from '../state.ts';
import { printable } from '../terminal-text.ts';

interface LogsOptions {
  lines: number;
  follow?: boolean;
}

/** Shows the end of an agent's log, whether it runs or not, and with `--follow` what is written from then on. */
export async function run(
  { output }: Cli,
  id: string | undefined,
  { lines, follow: on }: LogsOptions,
): Promise<void> {
  const { agentId, stateDir, running } = await withState(async (state) => {
    const { agentId } = await agentOrLatest(state, id);
    return { agentId, stateDir: state.dir, running: runner(state, agentId) };
  });
  const file = logFile(stateDir, agentId);
  const read = readBack(file, lines);
  if (!read.at && read.lines.length === 0 && !on) throw noLog(agentId, file, running);
  if (running && (await isElsewhere(controlAddress(stateDir, agentId))))
    output.note(
      `${agentId} runs in the foreground now and shows there what happens: this is of its runs before`,
    );
  const show = shower(output);
  let shown = 0;
  for (const line of read.lines) if (show(line)) shown++;
  if (on) {
    if (!read.at) output.note(`${agentId} has no log yet: waiting for one at ${file}`);
    return untilInterrupted((signal) => follow(file, read.at, show, signal));
  }
  if (read.at) closeSync(read.at.fd);
  if (output.json) output.line({ ok: true, count: shown });
  if (!running) tellAbruptEnd(output, agentId, file, lastWordsFile(stateDir, agentId));
}

/** Shows a line, and answers whether there was anything to show. */
function shower(output: Output): (line: string) => boolean {
  const describe = entryDescriber(output);
  return (line) => {
    const entry = parseEntry(line);
    const text = output.json ? '' : describe(entry);
    if (output.json) output.line(entry);
    else output.text(text);
    return output.json || text !== '';
  };
}

async function untilInterrupted(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const interrupted = new AbortController();
  const unbind = onStopSignal(
    () => interrupted.abort(),
    () => interrupted.abort(),
  );
  try {
    await work(interrupted.signal);
  } finally {
    unbind();
  }
}

/** Whether it says that it writes no log. */
async function isElsewhere(address: string): Promise<boolean> {
  const status = (await ask(address, '/status').catch(() => undefined)) as AgentStatus | undefined;
  return status !== undefined && !status.detached;
}

/** The log of a process that was killed ends in the middle: that is worth a word. */
function tellAbruptEnd(output: Output, agentId: string, file: string, lastWords: string): void {
  if (endOfLastRun(file) === undefined) return;
  output.note(
    `${agentId} does not run: its process ended without a word. It was killed, or the machine went down.`,
  );
  const words = read(lastWords);
  if (words) output.note(`What it wrote last:\n${printable(redact(words))}`);
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}

function noLog(agentId: string, file: string, running: { pid: number | undefined } | undefined): CleoError {
  const start = `${selfCommand()} agent start ${agentId} --detach`;
  const why = running
    ? `process ${running.pid ?? '?'} runs it in the foreground and shows there what happens`
    : 'it has not run in the background here';
  return new CleoError('E_NOT_FOUND_LOG', `${agentId} has no log: ${why}`, {
    hint: running ? `To have one, stop it there, then: ${start}` : `Run it in the background: ${start}`,
    details: { agentId, file },
  });
}
