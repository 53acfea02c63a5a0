import type { Logger } from './logger.ts';

/** Something public that has another name now. The old one goes on working for a while, and says so. */
export interface Renaming {
  /** What to write instead. */
  to: string;
  /** The version with the new name: of the plugin for its options, of the kernel for what is the kernel's. */
  since: string;
  /** The version that will not know the old name any more, where that is known. */
  removedIn?: string;
}

/** By the old name. */
export type Renamings = Readonly<Record<string, Renaming>>;

/** Hooks of the kernel that had another name. */
export const RENAMED_HOOKS: Record<string, Renaming> = {};
/** Options at the top of a configuration that had another name. */
export const RENAMED_OPTIONS: Record<string, Renaming> = {};

/** An old name that somebody still writes. */
export interface OldName extends Renaming {
  from: string;
}

/** What {@link withNewNames} found. */
interface NewNames {
  /** The same members under their new names; what has no old ones is handed on as it is. */
  value: unknown;
  old: OldName[];
  /** Old names whose new one is given too: nobody can know which is meant. */
  twice: OldName[];
}

/** Gives the members of an object the names they have now. */
export function withNewNames(value: unknown, renamings: Renamings = {}): NewNames {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  const used = isObject ? Object.keys(renamings).filter((from) => Object.hasOwn(value, from)) : [];
  if (used.length === 0) return { value, old: [], twice: [] };
  const members: Record<string, unknown> = { ...(value as object) };
  const twice: OldName[] = [];
  const old = used.map((from) => {
    const one = { from, ...renamings[from]! };
    if (Object.hasOwn(members, one.to)) twice.push(one);
    else members[one.to] = members[from];
    delete members[from];
    return one;
  });
  return { value: members, old, twice };
}

export function givenTwice({ to }: OldName): string {
  return `is an old name of "${to}", which is given too; leave this one out`;
}

/** Says it once where it is called once. The code is one for all: what is renamed is told by the fields. */
export function warnOfOldName(logger: Logger, what: 'hook' | 'option', { from, to, ...when }: OldName): void {
  const { since, removedIn } = when;
  const end = removedIn === undefined ? '' : ` and works until ${removedIn}`;
  logger.warn(`the ${what} "${from}" is an old name${end}`, {
    code: 'DEP_RENAMED',
    from,
    to,
    ...when,
    hint: `Write "${to}", its name since ${since}.`,
  });
}
