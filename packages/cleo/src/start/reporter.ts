import type { Output } from '../output.ts';
import { selfCommand } from '../self-command.ts';
import { comingAgain } from '../stop/coming-again.ts';
import { excerpt, printable } from '../terminal-text.ts';
import type { AgentEvent } from './events.ts';

/** Tells what an agent does as it happens. */
export type Report = (event: AgentEvent) => void;

export interface ReporterOptions {
  /** Several agents speak: each line says which. */
  named: boolean;
  /** Showing a message is all that is done with it: it is shown whole. */
  whole(): boolean;
}

const EXCERPT = 500;

/** JSON lines for a program, short lines for a person. */
export function reporter(output: Output, options: ReporterOptions): Report {
  if (output.json) return (event) => output.line(event);
  const describe = describer(output, options);
  return (event) => output.text(describe(event));
}

/** An event as a person is told it; empty when something else tells it with more words. */
export function describer(output: Output, { named, whole }: ReporterOptions): (event: AgentEvent) => string {
  const good = (text: string) => output.style('green', text);
  const bad = (text: string) => output.style('red', text);
  const faint = (text: string) => output.style('dim', text);
  const body = (event: AgentEvent): string => {
    switch (event.event) {
      case 'ready':
        return `${good('●')} ${event.agentId} is ready ${faint(`(${event.transport}, process ${event.pid})`)}`;
      case 'message': {
        const { from, content, attempt } = event;
        const again = attempt > 1 ? faint(` (attempt ${attempt})`) : '';
        return `${output.style('cyan', '←')} ${printable(from)}: ${excerpt(content, whole() ? undefined : EXCERPT)}${again}`;
      }
      case 'sent':
        return `${good('→')} ${printable(event.to)}: ${excerpt(event.content, EXCERPT)}`;
      case 'failed': {
        const next = event.retryInMs === undefined ? '' : `; again in ${seconds(event.retryInMs)}`;
        return `${bad('✗')} ${excerpt(event.error, EXCERPT)}${faint(` (attempt ${event.attempt}${next})`)}`;
      }
      case 'dead':
        return (
          `${bad('✗')} message ${event.id} is a dead letter after ${count(event.attempts, 'attempt')}\n` +
          `  See it: ${selfCommand()} agent dead-letters ${event.agentId} show ${event.id}`
        );
      case 'dropped':
        return faint(`  left alone by ${printable(event.plugin)}: ${excerpt(event.reason, EXCERPT)}`);
      case 'aside':
        return (
          `${bad('!')} conversation ${printable(event.conversation)} is set aside: ${excerpt(event.reason, EXCERPT)}\n` +
          `  Let it go on: ${selfCommand()} agent set-aside ${event.agentId} resume ${printable(event.conversation)}`
        );
      case 'resumed':
        return `${good('✓')} conversation ${printable(event.conversation)} goes on`;
      case 'held':
        return faint(`  a message of ${printable(event.conversation)} waits: that conversation is set aside`);
      case 'problem':
        return event.resolved
          ? `${good('✓')} ${event.code} is over`
          : `${bad('!')} ${event.code}: ${excerpt(event.message, EXCERPT)}`;
      case 'stopped':
        return stopped(event);
      case 'auth':
        return event.state === 'rotated' ? faint('↻ it has a new key') : '';
      // The log says these, and refused keys, with more words.
      case 'realtime':
      case 'done':
        return '';
    }
  };
  const stopped = ({ agentId, drained, released, forced, leftOpen }: AgentEvent & { event: 'stopped' }) => {
    const end = drained ? 'everything in hand was finished' : comingAgain(released);
    const faults = forced.map(
      ({ plugin, error }) => `\n${bad('✗')} ${plugin} did not end cleanly: ${printable(error)}`,
    );
    const left = leftOpen
      ? `\n${bad('!')} some plugin left open: ${leftOpen.join(', ')}. The process ends all the same; the tests of pluginContract tell whose it is.`
      : '';
    return `${faint('■')} ${agentId} stopped ${faint(`(${end})`)}${faults.join('')}${left}`;
  };
  return (event) => {
    const text = body(event);
    return named && text !== '' ? `${faint(`[${event.agentId}]`)} ${text}` : text;
  };
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
