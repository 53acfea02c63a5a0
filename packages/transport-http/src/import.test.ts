import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';

it('importing the package loads no HTTP client; connecting does', () => {
  const program = `
    import { createRequire } from 'node:module';
    import { HttpTransport } from ${JSON.stringify(import.meta.resolve('./index.ts'))};
    const loaded = () => Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes('/undici/'));
    const before = loaded();
    const transport = new HttpTransport();
    await transport.connect({ agentId: 'a', apiKey: 'k', apiBaseUrl: 'http://127.0.0.1:9' });
    console.log(before, loaded());
    await transport.disconnect();`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  expect(output).toBe('false true\n');
});
