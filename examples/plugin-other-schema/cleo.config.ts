import { defineConfig } from '@cleocode/kernel';
import announce from './index.ts';

export default defineConfig({
  agent: 'crier',
  plugins: [announce({ to: ['alice', 'bob'] })],
});
