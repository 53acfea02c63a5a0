import { InvalidArgumentError } from 'commander';

/** Reads an option's whole number; anything else is a fault on the command line. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
  };
}

/** Reads a number of seconds, such as `2.5`, as milliseconds. */
export function seconds(max: number, min = 0): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+(\.\d+)?$/.test(text) && value >= min && value <= max) return Math.round(value * 1_000);
    throw new InvalidArgumentError(`Expected a number of seconds from ${min} to ${max}.`);
  };
}

/** Gathers an option that may be given several times. */
export function gathered(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}
