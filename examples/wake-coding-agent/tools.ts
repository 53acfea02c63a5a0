/** A coding agent's command line. The prompt always goes to its stdin: no shell and no option parser ever sees it. */
export interface Tool {
  /** Looked for in PATH. */
  program: string;
  /** Its arguments: without a session it begins one. `extra` are the user's own. */
  args(session: string | undefined, extra: string[]): string[];
  /** What it printed, as what matters here. */
  read(stdout: string): Answer;
}

export interface Answer {
  /** The session to resume for the next message. */
  session?: string | undefined;
  reply?: string | undefined;
  /** What it says went wrong, whatever its exit code. */
  error?: string | undefined;
}

type Json = Record<string, unknown>;

/** The newest words of each for a session that it does not have (any more). */
export const SESSION_GONE = /no (conversation|saved session|rollout) found|session not found/i;

export const tools: Record<string, Tool> = {
  claude: {
    program: 'claude',
    args: (session, extra) => [
      '--print',
      '--output-format',
      'json',
      ...(session ? ['--resume', session] : []),
      ...extra,
    ],
    // One object. Some versions give a resumed session a new id, so the latest one counts.
    read(stdout) {
      const { session_id, result, is_error, errors } = linesOf(stdout).at(-1) ?? {};
      const failed = is_error === true && (text(result) ?? text([errors].flat().join('; ')) ?? 'it failed');
      return { session: text(session_id), ...(failed ? { error: failed } : { reply: text(result) }) };
    },
  },

  codex: {
    program: 'codex',
    args: (session, extra) => ['exec', '--json', ...extra, ...(session ? ['resume', session, '-'] : ['-'])],
    read(stdout) {
      const answer: Answer = {};
      for (const event of linesOf(stdout)) {
        const { text: said, type } = object(event.item);
        if (event.type === 'thread.started') answer.session = text(event.thread_id);
        else if (event.type === 'item.completed' && type === 'agent_message') answer.reply = text(said);
        else if (event.type === 'turn.failed')
          answer.error = text(object(event.error).message) ?? 'its turn failed';
      }
      return answer;
    },
  },

  opencode: {
    program: 'opencode',
    args: (session, extra) => [
      'run',
      '--format',
      'json',
      ...(session ? ['--session', session] : []),
      ...extra,
    ],
    read(stdout) {
      const answer: Answer = {};
      for (const event of linesOf(stdout)) {
        answer.session = text(event.sessionID) ?? answer.session;
        if (event.type === 'text') answer.reply = text(object(event.part).text) ?? answer.reply;
        if (event.type === 'error') {
          const { name, data } = object(event.error);
          answer.error = text(object(data).message) ?? text(name) ?? 'it failed';
        }
      }
      return answer;
    },
  },
};

/** The JSON objects among the lines of an output; the others are for people. */
function linesOf(stdout: string): Json[] {
  return stdout.split('\n').flatMap((line) => {
    try {
      return [object(JSON.parse(line))];
    } catch {
      return [];
    }
  });
}

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
