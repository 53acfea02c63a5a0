import { UsageError } from '../usage-error.ts';
import type { Kind } from './render.ts';

/** What the new package calls things. */
export interface Names {
  /** `cleo-plugin-answer-twice`, `@acme/answer-twice` */
  package: string;
  /** `answerTwice` */
  camel: string;
  /** `AnswerTwice` */
  pascal: string;
}

/** What npm takes: lower case, and nothing that a URL would have to encode. */
const WORD = '[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?';
const PACKAGE = new RegExp(`^(?:@${WORD}/)?${WORD}$`);
const MAX_LENGTH = 214;

/** Words of the language, and names that the files of the package use themselves. */
const TAKEN =
  /^(?:await|break|case|catch|class|const|continue|debugger|default|delete|do|else|enum|export|extends|false|finally|for|function|if|implements|import|in|instanceof|interface|let|new|null|package|private|protected|public|return|static|super|switch|this|throw|true|try|typeof|undefined|var|void|while|with|yield|agent|arguments|assert|backend|bot|ctx|delivery|describe|eval|given|inbox|name|options|rules|run|services|sleep|sum|test|z)$/;

/** `answer` is `cleo-plugin-answer`; a scoped name, and one that begins with `cleo-`, is kept. */
export function namesOf(given: string, kind: Kind): Names {
  const name = given.startsWith('@') || given.startsWith('cleo-') ? given : `cleo-${kind}-${given}`;
  if (!PACKAGE.test(name) || name.length > MAX_LENGTH)
    throw new UsageError(
      `${JSON.stringify(given)} cannot be the name of a package`,
      `npm takes at most ${MAX_LENGTH} lower-case letters, digits, ".", "_" and "-", perhaps with a scope${suggestion(given)}.`,
    );
  const words = inPackage(name)
    .replace(/^cleo-(?:plugin-|transport-)?(?=.)/, '')
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
  const pascal = words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('');
  // No identifier begins with a digit.
  const usable = /^\d/.test(pascal) ? `Plugin${pascal}` : pascal;
  const camel = usable[0]!.toLowerCase() + usable.slice(1);
  return { package: name, pascal: usable, camel: TAKEN.test(camel) ? `${camel}Plugin` : camel };
}

/** The name without its scope: `answer` of `@acme/answer`. */
export function inPackage(name: string): string {
  return name.slice(name.indexOf('/') + 1);
}

function suggestion(given: string): string {
  const [scope, word] =
    given.startsWith('@') && given.includes('/') ? given.slice(1).split('/') : ['', given];
  const [cleanScope, cleanWord] = [cleaned(scope), cleaned(word)];
  if (cleanWord === '' || cleanWord.length > MAX_LENGTH / 2) return '';
  return `: ${cleanScope === '' ? cleanWord : `@${cleanScope}/${cleanWord}`}`;
}

function cleaned(word = ''): string {
  return word
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
}
