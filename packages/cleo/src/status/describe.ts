import { duration } from '../duration.ts';
import type { Output } from '../output.ts';
import type { AgentStatus } from '../start/resident.ts';
import { printable, table } from '../terminal-text.ts';
import type { Status } from './status.ts';

export interface DescribeOptions {
  /** Colours, where they are shown. */
  output: Output;
  /** Each plugin in a row of its own. */
  verbose?: boolean;
  /** What is longer is told in several lines. */
  columns?: number;
}

/** How an agent is, for a person. */
export function describe(status: Status, { output, verbose = false, columns }: DescribeOptions): string {
  const top = headline(status, output);
  if (!status.running) return `${top}\n  → Run it: cleo agent start ${status.agentId}`;
  const problems = status.problems.map(({ severity, message, hint, code }) => {
    const mark = output.style(severity === 'error' ? 'red' : 'yellow', '!');
    const what = wrapped(`${code}: ${printable(message)}`, 4, columns);
    const cure = hint ? `\n    → ${wrapped(printable(hint), 6, columns)}` : '';
    return `  ${mark} ${what}${cure}`;
  });
  return [top, ...('inbox' in status ? [facts(status, verbose)] : []), ...problems].join('\n');
}

export function wordFor({ healthy, running }: Pick<Status, 'healthy' | 'running'>): string {
  return healthy ? 'is well' : running ? 'is not well' : 'does not run';
}

function headline(status: Status, output: Output): string {
  const { agentId, healthy, running, pid } = status;
  const mark = output.style(healthy ? 'green' : 'red', running ? '●' : '○');
  const since = 'uptimeMs' in status ? `, up ${duration(status.uptimeMs)}` : '';
  return `${mark} ${agentId} ${wordFor({ healthy, running })}${pid === undefined ? '' : output.style('dim', ` (process ${pid}${since})`)}`;
}

function facts(
  { transport, realtime, inbox, presence, key, plugins, log }: AgentStatus,
  verbose: boolean,
): string {
  const heard = ago('last heard', realtime.lastReceiveAgeMs);
  const stream = realtime.state === 'off' ? '' : `, stream ${realtime.state}`;
  const { inFlight, queued, done, failed, dead } = inbox;
  return table([
    ['  hears', `by ${transport}${stream}${heard}`],
    ['  inbox', `${inFlight} in flight, ${queued} queued, ${done} done, ${failed} failed, ${dead} dead`],
    ['  seen as', `${presence.state}${ago('told', presence.lastBeatAgeMs)}`],
    ...(key ? [['  key', keyWords(key)]] : []),
    ...pluginRows(plugins, verbose),
    ...(log ? [['  log', `${log} (in the background)`]] : []),
  ]);
}

function keyWords({ state, ageMs }: NonNullable<AgentStatus['key']>): string {
  const age = ageMs === undefined ? '' : `, ${duration(ageMs)} old`;
  return `${state === 'ok' ? 'accepted' : 'refused'}${age}`;
}

/** One row that names those whose work had to start anew or whose handlers failed; or each with its work. */
function pluginRows(plugins: AgentStatus['plugins'], verbose: boolean): string[][] {
  if (verbose)
    return plugins.map(({ name, version, tasks, failed }, index) => [
      index === 0 ? '  plugins' : '',
      [`${printable(name)} ${printable(version)}`, ...tasks.map(taskWords), ...failures(failed)].join(', '),
    ]);
  const troubled = plugins.flatMap(({ name, tasks, failed }) =>
    [
      ...tasks.filter(({ state, restarts }) => state === 'restarting' || restarts > 0).map(taskWords),
      ...failures(failed),
    ].map((words) => `${printable(name)} ${words}`),
  );
  return [['  plugins', [`${plugins.length}`, ...troubled].join('; ')]];
}

function failures(failed: number | undefined): string[] {
  return failed === undefined ? [] : [`failed ${failed === 1 ? 'a message' : `${failed} times at messages`}`];
}

function taskWords({ name, state, restarts }: AgentStatus['plugins'][number]['tasks'][number]): string {
  const again = restarts === 0 ? '' : ` (failed ${restarts === 1 ? 'once' : `${restarts} times`})`;
  return `${printable(name)} ${state}${again}`;
}

/** At words, into lines of at most `columns`; those after the first are indented. */
function wrapped(text: string, indent: number, columns = Number.POSITIVE_INFINITY): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && indent + line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join(`\n${' '.repeat(indent)}`);
}

function ago(what: string, ageMs: number | undefined): string {
  return ageMs === undefined ? '' : `, ${what} ${duration(ageMs)} ago`;
}
