// @ts-check
import { defineConfig } from '@cleocode/kernel';
import { dice } from './dice.js';

export default defineConfig({
  agent: 'dice',
  plugins: [dice()],
});
