import { checkAgentId } from './agents.ts';
import { UsageError } from './usage-error.ts';

export interface AgentAction<Action extends string> {
  agentId: string | undefined;
  action: Action;
  /** What the action is about; undefined for all of them. */
  item: string | undefined;
}

export interface ActionWords<Action extends string> {
  /** Without one it is `list`. */
  actions: Record<'list' | Action, 'none' | 'one' | 'one or all'>;
  /** Name of the command, below `cleo agent`. */
  command: string;
  /** What an action is about: `message`. */
  noun: string;
}

/** `[agent] [list | show ITEM | replay ITEM|--all | …]`, where an agent may be called like an action. */
export function agentAction<Action extends string>(
  words: readonly string[],
  all: boolean,
  { actions, command, noun }: ActionWords<Action>,
): AgentAction<'list' | Action> {
  const one = `the id of a ${noun}`;
  const help = `See: cleo agent ${command} --help`;
  const isAction = (word: string | undefined): word is 'list' | Action =>
    word !== undefined && Object.hasOwn(actions, word);
  const rest = [...words];
  const agentId =
    rest.length > 0 && (!isAction(rest[0]) || isAction(rest[1])) ? checkAgentId(rest.shift()!) : undefined;
  const action = rest.shift() ?? 'list';
  if (!isAction(action))
    throw new UsageError(`"${action}" is none of ${Object.keys(actions).join(', ')}`, help);
  const item = rest.shift();
  if (rest.length > 0) throw new UsageError(`too many words: ${rest.join(' ')}`, help);
  const takes = actions[action];
  if (takes === 'none' && (item !== undefined || all))
    throw new UsageError(`${action} takes no ${noun}`, help);
  if (takes === 'one' && (!item || all)) throw new UsageError(`${action} takes ${one}`, help);
  if (takes === 'one or all' && all === (item !== undefined))
    throw new UsageError(`${action} takes ${one}, or --all`, help);
  return { agentId, action, item };
}
