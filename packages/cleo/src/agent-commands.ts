import { type Command, Option } from 'commander';
import type { Cli } from './cli.ts';
import { addCommand } from './command.ts';
import { handlerOptions } from './handler-options.ts';
import { installCommands } from './install-commands.ts';
import { seconds, wholeNumber } from './numbers.ts';
import { talkCommands } from './talk-commands.ts';

/** The commands below `cleo agent`. */
export function agentCommands(agent: Command, cli: Cli): void {
  addCommand(agent, cli, {
    name: 'register',
    does: 'register an agent and store its key, encrypted',
    examples: [
      'cleo agent register my-agent',
      'cleo agent register my-agent --api-url https://api.example.com',
      'cleo agent register my-agent --api-url https://api.example.com --api-key-stdin < key.txt',
      'cleo agent register --import .cleo/signaldock-my-agent.json',
    ],
    arguments: { '[id]': "the agent's id: letters, digits and . _ + -" },
    options: [
      new Option('--id <id>', 'the same, as an option'),
      new Option('--name <name>', 'what people call it (default: the id)'),
      new Option('--api-url <url>', 'where its backend answers (default: the embedded one in .cleo)'),
      new Option(
        '--api-key <key>',
        'a key it has there; other users of this machine can see it in the process list',
      ),
      new Option('--api-key-stdin', 'read the key it has there from stdin').conflicts('apiKey'),
      new Option(
        '--import <file>',
        'take agent, key and address from a plain-text file of the old runtime',
      ).conflicts(['id', 'name', 'apiUrl', 'apiKey', 'apiKeyStdin', 'keepKey']),
      new Option('--keep-key', 'its backend has moved to --api-url: keep the stored key').conflicts([
        'apiKey',
        'apiKeyStdin',
      ]),
      new Option('--insecure', 'allow plain http to another machine, for this agent'),
    ],
    load: () => import('./commands/agent-register.ts'),
  });
  addCommand(agent, cli, {
    name: 'list',
    does: 'the agents registered here',
    examples: ['cleo agent list', 'cleo agent list --json'],
    load: () => import('./commands/agent-list.ts'),
  });
  addCommand(agent, cli, {
    name: 'get',
    does: 'what is stored about an agent, its key masked',
    examples: ['cleo agent get my-agent'],
    arguments: { '<id>': 'the agent' },
    load: () => import('./commands/agent-get.ts'),
  });
  addCommand(agent, cli, {
    name: 'remove',
    does: 'forget an agent and its key',
    examples: ['cleo agent remove my-agent'],
    arguments: { '<id>': 'the agent' },
    load: () => import('./commands/agent-remove.ts'),
  });
  addCommand(agent, cli, {
    name: 'start',
    does: 'run an agent until Ctrl-C, or in the background with --detach',
    examples: [
      'cleo agent start my-agent',
      "cleo agent start my-agent --exec './answer.sh' --reply",
      'cleo agent start my-agent --webhook https://example.com/hook --file ./inbox',
      'cleo agent start my-agent --detach',
      'cleo agent start --config examples/quickstart/cleo.config.ts',
    ],
    arguments: { '[ids...]': 'the agents (default: the one of the configuration, else the one used last)' },
    options: [
      new Option('--all', 'run every agent registered here'),
      ...handlerOptions(),
      new Option('--detach', 'run in the background: end when it is ready, and log to .cleo/logs'),
    ],
    load: () => import('./commands/agent-start.ts'),
  });
  addCommand(agent, cli, {
    name: 'stop',
    does: 'end a running agent: what it has in hand is finished first',
    examples: ['cleo agent stop my-agent', 'cleo agent stop --all --timeout 120'],
    arguments: { '[ids...]': 'the agents (default: the one that runs)' },
    options: [
      new Option('--all', 'end every agent that runs here'),
      new Option(
        '--timeout <seconds>',
        'how long it may take; then its process is sent SIGTERM, and 5 s later SIGKILL',
      )
        .argParser(seconds(86_400))
        .default(30_000, '30'),
    ],
    load: () => import('./commands/agent-stop.ts'),
  });
  addCommand(agent, cli, {
    name: 'logs',
    does: 'the log of an agent that was started with --detach',
    examples: ['cleo agent logs my-agent', 'cleo agent logs my-agent -f -n 200'],
    arguments: { '[id]': 'the agent (default: the one used last)' },
    options: [
      new Option('-n, --lines <n>', 'at most this many, from the end')
        .argParser(wholeNumber(0, 1_000_000))
        .default(50),
      new Option('-f, --follow', 'go on with what is written from now on, until Ctrl-C'),
    ],
    load: () => import('./commands/agent-logs.ts'),
  });
  addCommand(agent, cli, {
    name: 'status',
    does: 'how a running agent is: what it hears by, what it does, what is wrong',
    examples: [
      'cleo agent status',
      'cleo agent status my-agent --watch',
      'cleo agent status my-agent --json',
    ],
    arguments: { '[id]': 'the agent (default: the one used last)' },
    options: [
      new Option(
        '--watch',
        'look again and again, until Ctrl-C: in place on a terminal, else a line per change',
      ),
      new Option('--interval <seconds>', 'with --watch: the time between two looks (default: 1)').argParser(
        seconds(3_600, 0.1),
      ),
    ],
    load: () => import('./commands/agent-status.ts'),
  });
  addCommand(agent, cli, {
    name: 'send',
    does: 'send a message and show the answer',
    examples: [
      'cleo agent send --to my-agent "hello"',
      'git diff | cleo agent send - --to reviewer --wait 60',
    ],
    arguments: { '<text>': 'the message; - reads it from stdin' },
    options: [
      new Option('--to <id>', 'the agent that gets it').conflicts('conv'),
      new Option('--conv <id>', 'the conversation it goes to'),
      new Option('--agent <id>', 'the agent that sends it (default: you)'),
      new Option('--reply-to <message>', 'the message it answers'),
      new Option(
        '--wait <seconds>',
        'wait this long for an answer (default: 5 on a terminal, else 0)',
      ).argParser(seconds(86_400)),
    ],
    load: () => import('./commands/agent-send.ts'),
  });
  addCommand(agent, cli, {
    name: 'rotate-key',
    does: 'replace the key of an agent by a new one; where it runs, it goes on without a gap',
    examples: ['cleo agent rotate-key my-agent', 'cleo agent rotate-key my-agent --overlap 0'],
    arguments: { '[id]': 'the agent (default: the one used last)' },
    options: [
      new Option(
        '--overlap <seconds>',
        'how long the old key is to work on, where the backend can (default: 600)',
      ).argParser(wholeNumber(0, 86_400)),
    ],
    load: () => import('./commands/agent-rotate-key.ts'),
  });
  addCommand(agent, cli, {
    name: 'poll',
    does: 'show the messages that wait for an agent; changes nothing',
    examples: ['cleo agent poll my-agent', 'cleo agent poll my-agent --limit 10 --json'],
    arguments: { '[id]': 'the agent (default: the one used last)' },
    options: [new Option('--limit <n>', 'at most this many').argParser(wholeNumber(1, 200)).default(50)],
    load: () => import('./commands/agent-poll.ts'),
  });
  addCommand(agent, cli, {
    name: 'dead-letters',
    does: 'messages that failed for good: list, show, replay or drop them',
    examples: [
      'cleo agent dead-letters',
      'cleo agent dead-letters my-agent show 01981b5a-6f3c-7d41',
      'cleo agent dead-letters replay --all',
    ],
    arguments: { '[words...]': '[agent] list | show MESSAGE | replay MESSAGE | drop MESSAGE' },
    options: [new Option('--all', 'replay or drop all of them')],
    load: () => import('./commands/agent-dead-letters.ts'),
  });
  addCommand(agent, cli, {
    name: 'set-aside',
    does: 'conversations where agents answered each other without end: list, show, resume or drop them',
    examples: [
      'cleo agent set-aside',
      'cleo agent set-aside my-agent resume 01981b5a-6f3c-7d41',
      'cleo agent set-aside drop --all',
    ],
    arguments: { '[words...]': '[agent] list | show CONV | resume CONV | drop CONV' },
    options: [new Option('--all', 'resume or drop all of them')],
    load: () => import('./commands/agent-set-aside.ts'),
  });
  installCommands(agent, cli);
  talkCommands(agent, cli);
}
