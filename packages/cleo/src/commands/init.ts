import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join, relative, resolve } from 'node:path';
import { CleoError } from '@cleocode/contracts';
import { checkAgentId, registerLocally } from '../agents.ts';
import type { Cli } from '../cli.ts';
import { configTemplate } from '../config-template.ts';
import { selfCommand } from '../self-command.ts';
import { withState } from '../state.ts';

const CONFIG = 'cleo.config.ts';
const IGNORE = '.cleo/';

/** Prepares the working directory for an agent: configuration, .gitignore, registration. What is there already stays. */
export async function run({ output }: Cli, options: { id?: string }): Promise<void> {
  const agentId = options.id === undefined ? await chosenId() : checkAgentId(options.id);
  const kernelInstalled = isInstalled('@cleocode/kernel');
  const wrote = writeConfig(agentId, kernelInstalled);
  const ignored = addToGitignore();
  await withState(async (state) => {
    const registered = await registerUnlessThere();
    const self = selfCommand();
    const folder = relative('', state.dir) || '.';
    output.result(
      {
        ok: true,
        agentId,
        config: { file: resolve(CONFIG), written: wrote },
        gitignore: ignored,
        registered,
        stateDir: state.dir,
      },
      [
        wrote ? `${CONFIG} is written.` : `${CONFIG} is there already: left as it is.`,
        ...(ignored ? [`.gitignore has ${IGNORE} now.`] : []),
        registered
          ? `${agentId} is registered (embedded backend, state in ${folder}).`
          : `${agentId} is registered already.`,
        '',
        ...(kernelInstalled
          ? []
          : [
              'It works as it is. To write plugins in it, and for its types in an editor: npm install @cleocode/kernel',
              '',
            ]),
        `Start it:        ${self} agent start`,
        `Then talk to it: ${self} agent send --to ${agentId} "hello"`,
      ].join('\n'),
    );

    async function registerUnlessThere(): Promise<boolean> {
      try {
        await registerLocally(state, agentId);
        return true;
      } catch (error) {
        if (!CleoError.is(error, 'E_CONFLICT_ALREADY_EXISTS')) throw error;
        return false;
      }
    }
  });
}

/** Answers whether it wrote the file; one that exists is never touched. */
function writeConfig(agentId: string, kernelInstalled: boolean): boolean {
  try {
    writeFileSync(CONFIG, configTemplate({ agentId, kernelInstalled }), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Answers whether it had to be added. */
function addToGitignore(): boolean {
  const before = existsSync('.gitignore') ? readFileSync('.gitignore', 'utf8') : '';
  if (before.split(/\r?\n/).some((line) => /^\/?\.cleo\/?\s*$/.test(line))) return false;
  const separator = before === '' || before.endsWith('\n') ? '' : '\n';
  writeFileSync('.gitignore', `${separator}${IGNORE}\n`, { flag: 'a' });
  return true;
}

/** As an import in a configuration here would find it. */
function isInstalled(name: string): boolean {
  try {
    createRequire(join(process.cwd(), CONFIG)).resolve(name);
    return true;
  } catch {
    return false;
  }
}

/** A configuration that is there already has chosen. */
async function chosenId(): Promise<string> {
  if (!existsSync(CONFIG)) return idFromFolder();
  const { loadConfig } = await import('@cleocode/kernel');
  const { config } = await loadConfig({ file: CONFIG });
  return config.agent?.id ?? idFromFolder();
}

function idFromFolder(): string {
  const plain = basename(process.cwd())
    .replaceAll(/[^A-Za-z0-9._+-]+/g, '-')
    .replaceAll(/\.{2,}/g, '.')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 64);
  return plain === '' || plain.toLowerCase() === 'all' ? 'my-agent' : checkAgentId(plain);
}
