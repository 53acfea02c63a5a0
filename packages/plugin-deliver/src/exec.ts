import { CleoError, MAX_TIMER_MS, PermanentError, services } from '@cleocode/contracts';
import { definePlugin, packageVersion } from '@cleocode/kernel/define';
import { z } from 'zod';
import { childEnvironment } from './child-environment.ts';
import { type RunResult, ShellCommand } from './shell-command.ts';
import { Slots } from './slots.ts';

/** Beyond the grace: for the system to remove what was killed and the pipes to end. */
const REMOVAL_MS = 3_000;
const REPLY_MS = 60_000;
/** EX_DATAERR of sysexits.h: the message itself is at fault. */
const EX_DATAERR = 65;

const options = z.strictObject({
  /** Given to the system's shell, once per message. */
  command: z.string().trim().min(1),
  /** Milliseconds a run may take before it is ended and tried again later. */
  timeoutMs: z.int().positive().max(MAX_TIMER_MS).default(300_000),
  /** Milliseconds between SIGTERM and SIGKILL. */
  graceMs: z.int().nonnegative().max(600_000).default(5_000),
  /** Sends what the command wrote to stdout back, when it exits 0 and wrote anything. */
  reply: z.boolean().default(false),
  /** Runs at once. Default: as many as the inbox handles messages at once. */
  concurrency: z.int().positive().optional(),
  /** Where it runs. Default: the working directory of the agent's process. */
  cwd: z.string().min(1).optional(),
  /** Added to the environment. */
  env: z.record(z.string(), z.string()).optional(),
});

/** Options of `exec`. */
export type ExecOptions = z.input<typeof options>;

/**
 * Runs a command for each message: the message as one JSON line on stdin, its facts in `CLEO_…` variables. Exit 0 means
 * done, 65 means failed for good; any other exit, a signal and the timeout mean: try again later.
 */
const exec = definePlugin({
  name: '@cleocode/plugin-deliver/exec',
  version: packageVersion(import.meta.url),
  apiVersion: 1,
  options,
  requires: { agent: services.agent },
  setup(ctx, settings, { agent }) {
    const { timeoutMs, graceMs, reply, concurrency, env } = settings;
    const command = new ShellCommand(settings);
    const slots = new Slots(concurrency ?? Number.POSITIVE_INFINITY);
    const wholeMs = timeoutMs + graceMs + REMOVAL_MS + REPLY_MS;
    ctx.on(
      'message',
      async (delivery) => {
        const { message, signal } = delivery;
        const result = await slots.use(signal, () =>
          command.run({
            stdin: `${JSON.stringify(message)}\n`,
            env: childEnvironment(delivery, agent, env),
            captureStdout: reply,
            signal,
          }),
        );
        throwUnlessDone(result, timeoutMs);
        if (result.stderr) ctx.logger.debug(result.stderr, { messageId: message.id });
        if (result.stdoutTruncated)
          ctx.logger.warn('the output is longer than a message may be: only its first 1 MiB is sent', {
            messageId: message.id,
          });
        const answer = result.stdout.replace(/\r?\n$/, '');
        if (answer !== '') await delivery.reply(answer);
      },
      // Later than the command's own deadline, so that the right one is blamed. A wait for a turn may take any time: it
      // ends because every run before it does.
      { timeoutMs: concurrency ? MAX_TIMER_MS : Math.min(MAX_TIMER_MS, wholeMs) },
    );
    ctx.on('stop', () => command.close(), { timeoutMs: graceMs + REMOVAL_MS });
  },
});

export default exec;

/** Nothing for a command that did its work, else the error that says what to do with the message. */
function throwUnlessDone({ exitCode, signal, endedBy, stderr }: RunResult, timeoutMs: number): void {
  const details = { exitCode, signal, stderr };
  const because = stderr && `: ${stderr}`;
  if (endedBy === 'timeout')
    throw new CleoError('E_EXEC_TIMEOUT', `exec: the command did not end within ${timeoutMs} ms${because}`, {
      hint: 'Make the command faster, or give it more time with timeoutMs.',
      details,
    });
  if (endedBy === 'abort')
    throw new CleoError('E_EXEC_ABORTED', 'exec: the command was ended because its message was given up', {
      details,
    });
  if (exitCode === 0) return;
  if (exitCode === EX_DATAERR)
    throw new PermanentError(`exec: the command refused the message (exit code 65)${because}`, { details });
  const how = exitCode === null ? `was ended by ${signal}` : `ended with exit code ${exitCode}`;
  throw new CleoError('E_EXEC_FAILED', `exec: the command ${how}${because}`, {
    hint: hintFor(exitCode),
    details,
  });
}

function hintFor(exitCode: number | null): string {
  if (exitCode === 127) return 'The shell did not find the command: check its name and PATH.';
  if (exitCode === 126) return 'The shell may not run the command: check that the file is executable.';
  return 'Exit 0 when the message is handled, 65 when no retry can help.';
}
