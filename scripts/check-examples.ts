/**
 * Tries the examples as somebody else's projects: in a folder outside the workspace, on the packed packages, installed by npm
 * once for all of them. The transport runs its conformance table; every other one is started with the command, and handles
 * a message.
 */
import { cpSync, globSync, mkdtempSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Manifest, type Packed, readJson, root, run, writeJson } from './packed.ts';
import { bin, environment, Running } from './running.ts';

/** They wait more than they work. */
const AT_ONCE = 3;

type Check = (name: string, body: () => Promise<string[]>) => Promise<boolean>;
type Fields = Record<string, unknown>;

interface Resident {
  example: string;
  agent: string;
  /** Sent one after another. */
  says: string[];
  /** What its last line about the last of them must hold. */
  ends: { event: string; text?: RegExp };
  /** Runs in its own folder instead of one beside it. */
  atHome?: boolean;
  /** Agents that must be there before. */
  others?: string[];
  /** What one of them then has in its inbox. */
  arrives?: { at: string; text: string };
}

const RESIDENTS: Resident[] = [
  {
    example: 'quickstart',
    agent: 'cleo-prime',
    says: ['hello'],
    ends: { event: 'sent', text: /^You said: hello$/ },
  },
  {
    example: 'bot-javascript',
    agent: 'dice',
    says: ['roll 2d6'],
    ends: { event: 'sent', text: /^\d \+ \d = \d+$/ },
  },
  {
    example: 'config-json',
    agent: 'clerk',
    atHome: true,
    says: ['keep this'],
    ends: { event: 'sent', text: /^Filed\.$/ },
  },
  {
    example: 'plugin-allow-list',
    agent: 'club',
    says: ['hello'],
    ends: { event: 'dropped', text: /is not on the list$/ },
  },
  {
    example: 'plugin-rate-limit',
    agent: 'calm',
    says: ['1', '2', '3'],
    ends: { event: 'dropped', text: /is over the limit of 2 a minute$/ },
  },
  {
    example: 'plugin-other-schema',
    agent: 'crier',
    others: ['alice', 'bob'],
    says: ['!it is packed'],
    ends: { event: 'done' },
    arrives: { at: 'bob', text: 'it is packed' },
  },
];

export async function checkExamples(packages: Packed[], temporary: string, check: Check): Promise<void> {
  const folder = join(temporary, 'examples');
  if (!(await check('npm install of the examples', () => install(packages, folder)))) return;
  const checks: [name: string, body: () => Promise<string[]>][] = [
    ['examples: types hold', () => typesHold(folder)],
    ['examples/transport-socket: conforms', () => conforms(folder)],
    ['examples/transport-socket: carries messages', () => overSocket(folder)],
    ['examples/plugin-other-schema: has its own contracts, names a wrong option', () => refuses(folder)],
    ...RESIDENTS.map((one): [string, () => Promise<string[]>] => [
      `examples/${one.example}: handles a message`,
      () => handles(one, folder),
    ]),
  ];
  const worker = async () => {
    for (let next = checks.shift(); next; next = checks.shift()) await check(...next);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** Each is a workspace of npm, linked and not copied: below `node_modules` Node would not remove the types of their sources. */
async function install(packages: Packed[], folder: string): Promise<string[]> {
  const tarballs = Object.fromEntries(
    packages.map(({ manifest, tarball }) => [manifest.name, `file:${tarball}`]),
  );
  for (const file of globSync('examples/*/package.json', { cwd: root })) {
    const example = basename(join(file, '..'));
    const target = join(folder, 'examples', example);
    cpSync(join(root, 'examples', example), target, {
      recursive: true,
      filter: (source) => !/node_modules|\.test\.[jt]s$|\.cleo$/.test(source.slice(root.length)),
    });
    writeJson(join(target, 'package.json'), asPublished(readJson(join(target, 'package.json')), tarballs));
  }
  writeJson(join(folder, 'package.json'), {
    private: true,
    type: 'module',
    workspaces: ['examples/*'],
    dependencies: tarballs,
    overrides: Object.fromEntries(packages.map(({ manifest }) => [manifest.name, `$${manifest.name}`])),
  });
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'], folder);
  // As npm does for a plugin that wants another version of them.
  cpSync(
    join(folder, 'node_modules/@cleocode/contracts'),
    join(folder, 'examples/plugin-other-schema/node_modules/@cleocode/contracts'),
    { recursive: true },
  );
  return [];
}

/** What pnpm writes in place of `workspace:` and `catalog:`, as far as npm needs it here. */
function asPublished(
  { peerDependencies: _, devDependencies: __, ...manifest }: Manifest & { devDependencies?: unknown },
  tarballs: Record<string, string>,
): Fields {
  const plain = ([name, range]: [string, string]) => [
    name,
    tarballs[name] ?? (/^(workspace|catalog):/.test(range) ? '*' : range),
  ];
  return {
    ...manifest,
    dependencies: Object.fromEntries(Object.entries(manifest.dependencies ?? {}).map(plain)),
  };
}

async function typesHold(folder: string): Promise<string[]> {
  writeJson(join(folder, 'tsconfig.json'), {
    compilerOptions: {
      ...readJson<{ compilerOptions: Fields }>(join(root, 'tsconfig.base.json')).compilerOptions,
      composite: false,
      noEmit: true,
      allowJs: true,
      typeRoots: [join(root, 'node_modules/@types')],
    },
    include: ['examples'],
  });
  await run('tsc', ['--project', folder], folder);
  return [];
}

async function conforms(folder: string): Promise<string[]> {
  const home = join(folder, 'examples/transport-socket');
  const printed = await run(process.execPath, ['conformance.ts'], home);
  return / 0 fail$/.test(printed) ? [] : [printed];
}

async function overSocket(folder: string): Promise<string[]> {
  const home = join(folder, 'examples/transport-socket');
  const place = mkdtempSync(join(folder, 'run-'));
  const env = environment(place, { BROKER: join(place, 's') });
  const broker = new Running([join(home, 'serve.ts'), join(place, 'log')], place, env);
  const agent = new Running(
    [bin(folder), 'agent', 'start', '--config', join(home, 'cleo.config.ts'), '--json'],
    place,
    env,
  );
  try {
    await agent.line(({ event }) => event === 'ready');
    const answer = await run(process.execPath, [join(home, 'send.ts'), 'socket-bot', 'hello'], place, {
      env,
    });
    return answer === 'You said: hello' ? [] : [`answered ${answer}`];
  } finally {
    await agent.end();
    await broker.end();
  }
}

async function refuses(folder: string): Promise<string[]> {
  const home = join(folder, 'examples/plugin-other-schema');
  const place = mkdtempSync(join(folder, 'run-'));
  const program = `import { services } from '@cleocode/contracts';
    import announce from '${join(home, 'index.ts')}';
    const { transport } = announce.definition.requires;
    console.log(transport !== services.transport && transport.id === services.transport.id);`;
  const isSecond = await run(process.execPath, ['--input-type=module', '--eval', program], folder);
  const file = join(home, 'wrong.config.json');
  writeFileSync(file, JSON.stringify({ agent: 'crier', plugins: [['./index.ts', { to: ['bob', ''] }]] }));
  const said = await run(process.execPath, [bin(folder), 'agent', 'start', '--config', file], place, {
    env: environment(place),
  }).catch((error: Error) => error.message);
  return [
    ...(isSecond === 'true' ? [] : ['it has no contracts of its own']),
    ...(said.includes('(cleo-plugin-announce).to[1]: an agent has an id') ? [] : [`said ${said}`]),
  ];
}

async function handles(one: Resident, folder: string): Promise<string[]> {
  const home = join(folder, 'examples', one.example);
  const place = mkdtempSync(join(folder, 'run-'));
  const env = environment(place);
  const cleo = (...args: string[]) =>
    run(process.execPath, [bin(folder), ...args], place, { env, timeoutMs: 30_000 });
  for (const id of one.others ?? []) await cleo('agent', 'register', id);
  const [config] = globSync(['cleo.config.*', '.cleorc.json'], { cwd: home });
  const named = one.atHome ? [] : ['--config', join(home, config!)];
  const agent = new Running(
    [bin(folder), 'agent', 'start', ...named, '--json'],
    one.atHome ? home : place,
    env,
  );
  try {
    await agent.line(({ event }) => event === 'ready');
    for (const text of one.says) await cleo('agent', 'send', '--to', one.agent, text);
    const { event, text } = one.ends;
    await agent.line(
      (line) => line.event === event && (!text || text.test(String(line.content ?? line.reason))),
    );
    if (!one.arrives) return [];
    const waiting = await cleo('agent', 'poll', one.arrives.at, '--json');
    return waiting.includes(one.arrives.text) ? [] : [`${one.arrives.at} got ${waiting || 'nothing'}`];
  } finally {
    await agent.end();
  }
}
