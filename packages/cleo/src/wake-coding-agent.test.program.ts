/**
 * Stands in for a coding agent's command line: `node THIS claude|codex|opencode ARGS…`. It takes the arguments
 * that its original documents and no others, prints what that prints, and keeps its sessions in `FAKE_SESSIONS`. It answers with
 * everything that was said in the session so far. What a prompt says may make it misbehave.
 */
import { randomUUID } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';

interface Dialect {
  /** The session to resume, if any. Throws for arguments that the original does not have. */
  session(args: string[]): string | undefined;
  print(session: string, reply: string): void;
  unknown(session: string): number;
}

const line = (value: unknown) => console.log(JSON.stringify(value));

const dialects: Record<string, Dialect> = {
  claude: {
    session(args) {
      const { values } = parseArgs({
        args,
        options: {
          print: { type: 'boolean' },
          'output-format': { type: 'string' },
          resume: { type: 'string' },
          'permission-mode': { type: 'string' },
        },
      });
      if (!values.print || values['output-format'] !== 'json') throw new Error('not as documented');
      return values.resume;
    },
    print: (session, reply) =>
      line({ type: 'result', subtype: 'success', is_error: false, result: reply, session_id: session }),
    unknown(session) {
      console.error(`No conversation found with session ID: ${session}`);
      return 1;
    },
  },
  codex: {
    session(args) {
      const { values, positionals } = parseArgs({
        args,
        allowPositionals: true,
        options: { json: { type: 'boolean' }, sandbox: { type: 'string' } },
      });
      const [command, resume, session] = positionals;
      if (!values.json || command !== 'exec' || positionals.at(-1) !== '-')
        throw new Error('not as documented');
      if (positionals.length === 2) return undefined;
      if (resume !== 'resume' || positionals.length !== 4) throw new Error('not as documented');
      return session;
    },
    print(session, reply) {
      line({ type: 'thread.started', thread_id: session });
      line({ type: 'turn.started' });
      line({ type: 'item.completed', item: { id: 'item_0', type: 'reasoning', text: 'hm' } });
      line({ type: 'item.completed', item: { id: 'item_1', type: 'agent_message', text: 'I am looking.' } });
      line({ type: 'item.completed', item: { id: 'item_2', type: 'agent_message', text: reply } });
      line({ type: 'turn.completed', usage: {} });
    },
    unknown(session) {
      console.error(`Error: thread/resume: thread/resume failed: no rollout found for thread id ${session}`);
      return 1;
    },
  },
  opencode: {
    session(args) {
      const { values, positionals } = parseArgs({
        args,
        allowPositionals: true,
        options: { format: { type: 'string' }, session: { type: 'string' }, model: { type: 'string' } },
      });
      if (values.format !== 'json' || positionals.join() !== 'run') throw new Error('not as documented');
      return values.session;
    },
    print(session, reply) {
      const event = (type: string, part: object) => line({ type, timestamp: 0, sessionID: session, part });
      event('step_start', { type: 'step-start' });
      event('text', { type: 'text', text: 'I am looking.' });
      event('tool_use', { type: 'tool' });
      event('text', { type: 'text', text: reply });
      event('step_finish', { type: 'step-finish' });
    },
    // It says so on stderr, and ends as if all were well.
    unknown(session) {
      console.error(
        `NotFoundError: NotFoundError\n data: {\n  message: "Session not found: ${session}",\n},`,
      );
      return 0;
    },
  },
};

const [name = '', ...args] = process.argv.slice(2);
const dialect = dialects[name]!;
const file = (session: string) => join(process.env.FAKE_SESSIONS!, session);
const resumed = dialect.session(args);
const prompt = await text(process.stdin);
appendFileSync(file('log'), `${JSON.stringify({ pid: process.pid, cwd: process.cwd(), args, prompt })}\n`);

if (prompt.includes('HANG')) await new Promise(() => setInterval(() => {}, 1_000));
if (prompt.includes('FAIL')) {
  console.error('the model is overloaded');
  process.exit(1);
}
if (resumed !== undefined && !existsSync(file(resumed))) process.exit(dialect.unknown(resumed));

const said = resumed === undefined ? [] : (JSON.parse(readFileSync(file(resumed), 'utf8')) as string[]);
said.push(prompt.trimEnd());
// As some versions do: what is resumed goes on under another id.
const session = name === 'claude' || resumed === undefined ? randomUUID() : resumed;
writeFileSync(file(session), JSON.stringify(said));
dialect.print(session, prompt.includes('LONG') ? 'x'.repeat(1_000_000) : said.join('\n--\n'));
