import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { testServer } from './harness.test.kit.ts';

const INDEX = JSON.stringify(import.meta.resolve('./index.ts'));
const HTTP = JSON.stringify(import.meta.resolve('@cleocode/transport-http'));

it('importing the package loads no HTTP client', () => {
  const program = `
    import { createRequire } from 'node:module';
    import ${INDEX};
    console.log(Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes('/undici/')));`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  expect(output).toBe('false\n');
});

it('a process ends by itself once its stream was stopped, whether it was live or waiting', async () => {
  const { url, keys } = await testServer(['bob']);
  const program = `
    import { SseConnectionService } from ${INDEX};
    import { HttpTransport } from ${HTTP};
    const [apiBaseUrl, apiKey] = process.argv.slice(1);
    const transport = new HttpTransport();
    await transport.connect({ agentId: 'bob', apiKey, apiBaseUrl });
    for (const sseEndpoint of ['/messages/stream', '/nothing/here']) {
      const service = new SseConnectionService({
        agentId: 'bob', apiKey, apiBaseUrl, transport, sseEndpoint, onError: () => {},
      });
      service.onMessage(() => {});
      const wanted = sseEndpoint === '/messages/stream' ? 'live' : 'fallback';
      const reached = new Promise((resolve) => service.onChange((state) => state === wanted && resolve()));
      await service.start();
      await reached;
      await service.stop();
      console.log(wanted);
    }
    await transport.disconnect();
    console.log(process.getActiveResourcesInfo().filter((name) => /^(Timeout|TCP|TLS)/.test(name)));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, url, keys.bob!], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  expect([output, code]).toEqual(['live\nfallback\n[]\n', 0]);
});
