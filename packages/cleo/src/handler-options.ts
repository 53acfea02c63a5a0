import { Option } from 'commander';
import { gathered, wholeNumber } from './numbers.ts';

const MAX_MS = 2 ** 31 - 1;

/** The options that say how messages come to an agent and who handles them. */
export function handlerOptions(): Option[] {
  return [
    new Option('--exec <command>', 'hand each message to this shell command; may be repeated').argParser(
      gathered,
    ),
    new Option(
      '--webhook <url>',
      'post each message to this URL, signed with CLEO_WEBHOOK_SECRET if that is set; may be repeated',
    ).argParser(gathered),
    new Option('--allow-private', 'let --webhook reach this machine and private networks'),
    new Option(
      '--file <folder>',
      'write each message to a JSON file in this folder; may be repeated',
    ).argParser(gathered),
    new Option('--stdout', 'show each message (the default when nothing else handles it)'),
    new Option('--reply', 'send back to the sender what an --exec command prints or a --webhook answers'),
    new Option('--group <id>', 'follow this conversation for mentions; may be repeated').argParser(gathered),
    new Option('--poll-interval <ms>', 'time between polls, in milliseconds').argParser(
      wholeNumber(1, MAX_MS),
    ),
    new Option('--no-heartbeat', 'tell nobody whether the agent is there'),
  ];
}
