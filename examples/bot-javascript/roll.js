// @ts-check

const DICE = /^roll (?:(?<count>\d{1,3}))?d(?<sides>\d{1,4})$/i;

/**
 * What a message like `roll 2d6` is answered; undefined for any other.
 *
 * @param {string} text
 * @param {(sides: number) => number} die From 1 to its sides.
 * @returns {string | undefined}
 */
export function roll(text, die) {
  const { count = '1', sides } = DICE.exec(text.trim())?.groups ?? {};
  if (sides === undefined) return undefined;
  if (Number(count) < 1 || Number(count) > 100 || Number(sides) < 2)
    return 'From 1 to 100 dice, each with 2 sides or more.';
  const rolled = Array.from({ length: Number(count) }, () => die(Number(sides)));
  const sum = rolled.reduce((total, each) => total + each, 0);
  return rolled.length === 1 ? `${sum}` : `${rolled.join(' + ')} = ${sum}`;
}
