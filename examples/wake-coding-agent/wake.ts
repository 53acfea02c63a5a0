/**
 * Hands one message to a coding agent's command line and prints its answer: a command for `exec` with `reply`. Each
 * conversation has a session of its own, resumed with every message.
 *
 *   node wake.ts claude|codex|opencode [--dir PROJECT] [--program FILE] [--sessions FOLDER] [--max-chars N] [-- TOOL OPTIONS]
 *
 * Exit 0: the answer is on stdout. Anything else: try again later.
 */
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { type Run, runTool } from './run-tool.ts';
import { Sessions } from './sessions.ts';
import { type Answer, SESSION_GONE, tools } from './tools.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    dir: { type: 'string', default: '.' },
    program: { type: 'string' },
    sessions: { type: 'string', default: '.wake' },
    'max-chars': { type: 'string', default: '20000' },
  },
});
const [name = '', ...extra] = positionals;
const tool = tools[name];
if (!tool) fail(`no such tool: ${JSON.stringify(name)}; there are ${Object.keys(tools).join(', ')}`);

const maxChars = Number(values['max-chars']);
if (!(maxChars > 0)) fail(`--max-chars is no number above 0: ${values['max-chars']}`);

const message = JSON.parse(await text(process.stdin)) as { from: string; content: string };
const { CLEO_AGENT_ID: agent = '', CLEO_THREAD_ID: thread } = process.env;
const conversation = [name, agent, thread || message.from];
const program = values.program ?? tool.program;
// Never the bare content: tools take a leading slash for a command of theirs.
const prompt = `Message from ${message.from}:\n\n${message.content}\n`;

const sessions = new Sessions(values.sessions);
const session = sessions.get(conversation);
let { run, answer } = await ask(session);
if (session && (answer.error || !answer.reply) && SESSION_GONE.test(`${answer.error}\n${run.stderr}`)) {
  console.error(`${program}: session ${session} is gone, beginning another`);
  ({ run, answer } = await ask(undefined));
}
process.stderr.write(run.stderr);
if (run.code !== 0 || answer.error)
  fail(`${program} failed with exit code ${run.code}: ${answer.error ?? 'see above'}`);
// Some end well even when they did nothing at all.
if (!answer.reply) fail(`${program} said nothing`);
if (answer.session) sessions.set(conversation, answer.session);
process.stdout.write(cut(answer.reply));

async function ask(resumed: string | undefined): Promise<{ run: Run; answer: Answer }> {
  const run = await runTool(program, tool!.args(resumed, extra), prompt, values.dir).catch((error) =>
    fail(`${program} cannot be run: ${error.message}`, error.code === 'ENOENT' ? 127 : 1),
  );
  return { run, answer: tool!.read(run.stdout) };
}

function cut(reply: string): string {
  const left = reply.length - maxChars;
  return left > 0
    ? `${reply.slice(0, maxChars).toWellFormed()}\n\n[cut here: ${left} more characters]`
    : reply;
}

function fail(why: string, code = 1): never {
  console.error(`wake: ${why}`);
  process.exit(code);
}
