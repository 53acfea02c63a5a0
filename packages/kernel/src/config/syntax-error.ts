import { errorText } from '@cleocode/contracts';

/** Where a text is wrong, and an error about it that does not quote the text: there may be a key in it. */
export interface DataSyntaxError {
  /** Counts from 1; absent when it cannot be told. */
  line: number | undefined;
  cause: SyntaxError;
}

/** For what `JSON.parse(text)` threw. */
export function jsonSyntaxError(error: unknown, text: string): DataSyntaxError {
  const message = errorText(error);
  const place = /^(.*) in JSON at position (\d+)/.exec(message);
  const unexpected = /^Unexpected token '.'/su.exec(message)?.[0];
  const position = place ? Number(place[2]) : unexpected ? positionOfToken(text) : text.length;
  return {
    line: text.slice(0, position).split('\n').length,
    cause: new SyntaxError(place?.[1] ?? unexpected ?? 'Unexpected end of JSON input'),
  };
}

/** For what js-yaml threw. */
export function yamlSyntaxError(error: unknown): DataSyntaxError {
  const { reason, mark } = error as { reason?: string; mark?: { line: number } };
  return { line: mark && mark.line + 1, cause: new SyntaxError(reason ?? 'not YAML') };
}

/**
 * V8 quotes the surroundings of an unexpected token instead of telling its position. It reads from the left, so every
 * beginning of the text that holds the token fails on it and every shorter one fails otherwise: search between them.
 */
function positionOfToken(text: string): number {
  let without = 0;
  let withIt = text.length;
  while (withIt - without > 1) {
    const middle = (without + withIt) >> 1;
    if (failsOnToken(text.slice(0, middle))) withIt = middle;
    else without = middle;
  }
  return without;
}

function failsOnToken(text: string): boolean {
  try {
    JSON.parse(text);
    return false;
  } catch (error) {
    return errorText(error).startsWith('Unexpected token');
  }
}
