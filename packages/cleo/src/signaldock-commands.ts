import { type Command, Option } from 'commander';
import type { Cli } from './cli.ts';
import { addCommand } from './command.ts';
import { seconds, wholeNumber } from './numbers.ts';

/** The commands below `cleo signaldock`. */
export function signaldockCommands(signaldock: Command, cli: Cli): void {
  addCommand(signaldock, cli, {
    name: 'serve',
    does: 'serve the backend over HTTP, for agents of other machines and languages',
    examples: [
      'cleo signaldock serve',
      'cleo signaldock serve --port 0 --json',
      'cleo signaldock serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem',
    ],
    options: [
      new Option('--host <address>', 'listen on this address of this machine').default('127.0.0.1'),
      new Option('--port <port>', 'listen on this port; 0 picks a free one')
        .argParser(wholeNumber(0, 65_535))
        .default(4_000),
      new Option('--data <dir>', 'the folder of signaldock.db (default: the state folder, .cleo)'),
      new Option('--tls-cert <file>', 'serve https with this certificate chain (PEM)'),
      new Option('--tls-key <file>', 'the private key of the certificate (PEM)'),
      new Option('--insecure', 'allow plain http on an address that other machines reach'),
      new Option('--rate-limit <n>', 'requests a minute for each agent; 0 for no limit')
        .argParser(wholeNumber(0, 1_000_000))
        .default(100),
      new Option('--heartbeat <seconds>', 'time between two heartbeats of a stream (default: 30)').argParser(
        seconds(3_600, 1),
      ),
    ],
    load: () => import('./commands/signaldock-serve.ts'),
  });
}
