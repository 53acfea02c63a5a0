// @ts-check
import { randomInt } from 'node:crypto';
import { definePlugin } from '@cleocode/kernel';
import { roll } from './roll.js';

/** @typedef {import('@cleocode/kernel').Delivery} Delivery */

const HELP = 'Try: roll 2d6';

/**
 * Resolving means handled; throwing means: try again later.
 *
 * @param {Delivery} delivery
 */
async function answer(delivery) {
  await delivery.reply(roll(delivery.message.content, (sides) => randomInt(1, sides + 1)) ?? HELP);
}

export const dice = definePlugin({
  name: 'dice',
  version: '1.0.0',
  apiVersion: 1,
  setup(ctx) {
    ctx.on('message', answer);
  },
});
