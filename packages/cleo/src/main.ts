import { CommanderError } from 'commander';
import { cureFor } from './cure.ts';
import { EXIT } from './exit-code.ts';
import { type Failure, failureOf } from './failure.ts';
import { provideHome } from './home.ts';
import { maskConsole } from './log/mask-console.ts';
import { Output } from './output.ts';
import { buildProgram } from './program.ts';
import { silenceSqliteWarning } from './silence-sqlite-warning.ts';
import { DETACHED } from './start/detached-mark.ts';
import { UsageError } from './usage-error.ts';

/**
 * Runs one command line, such as `['agent', 'list', '--json']`, on this process's own streams, and answers its exit code.
 * Never rejects: what goes wrong is shown as the command line promises.
 */
export async function run(argv: readonly string[]): Promise<number> {
  const output = new Output({
    json: isJson(argv),
    verbose: flagged(argv, '--verbose'),
  });
  try {
    refuseUnknownFormat();
    const program = buildProgram(output, argv);
    await program.command.parseAsync(argv.length === 0 ? ['--help'] : [...argv], { from: 'user' });
    return program.exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === EXIT.done) {
      // Commander ends so after it has shown the help or the version that was asked for.
      output.endHelp(error.code === 'commander.version' ? 'version' : 'help');
      return EXIT.done;
    }
    const failure = error instanceof CommanderError ? usageFailure(error) : failureOf(error);
    output.failure(failure);
    return failure.exitCode;
  } finally {
    // Nobody may be reading any more; there is nothing left to tell.
    await output.flushed().catch(() => {});
  }
}

/** Runs one command line and ends the process with its exit code, whatever a plugin left running. */
export async function main(argv: readonly string[]): Promise<never> {
  silenceSqliteWarning();
  provideHome();
  // In the background everything that is printed stands in the logs.
  if (!process.env[DETACHED]) maskConsole({ json: isJson(argv) });
  if (argv[0] === '__complete') {
    const { printCompletions } = await import('./completion/print-completions.ts');
    await printCompletions(argv.slice(argv[1] === '--' ? 2 : 1));
    process.exit(EXIT.done);
  }
  process.exit(await run(argv));
}

function isJson(argv: readonly string[]): boolean {
  return flagged(argv, '--json') || process.env.CLEO_OUTPUT === 'json';
}

/** Looked up before the command line is parsed: a fault in it is told in the wanted way too. */
function flagged(argv: readonly string[], flag: string): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end < 0 ? undefined : end).includes(flag);
}

function refuseUnknownFormat(): void {
  const format = process.env.CLEO_OUTPUT;
  if (format && format !== 'json' && format !== 'text')
    throw new UsageError(`CLEO_OUTPUT is "${format}"`, 'Set it to json or text, or leave it out.');
}

function usageFailure(error: CommanderError): Failure {
  const { message, hint } = cureFor(error);
  return failureOf(new UsageError(message, hint, { cause: error }));
}
