import { createKernel, definePlugin, type Plugin } from '@cleocode/kernel';
import { credentials } from '@cleocode/store';
import { expect, it, onTestFinished } from 'vitest';
import { composePlugins } from './compose-plugins.ts';
import { MapRegistry, recorder, SevenTransport, until } from './create-runtime.test.kit.ts';
import { createRuntime, type RuntimeHandle } from './index.ts';

it('is, of the default plugins: stream, heartbeat, key rotation, poller, transport, registry', async () => {
  const registry = new MapRegistry('bob');
  const credential = await registry.update('bob', { apiBaseUrl: 'https://127.0.0.1:9' });
  const plugins = await composePlugins({
    stateDir: '/none',
    credential,
    plugins: [credentials({ registry })],
  });
  const ended: string[] = [];
  const kernel = createKernel({
    plugins: plugins.map((plugin) => recording(plugin, ended)),
    logger: recorder().logger,
  });
  onTestFinished(async () => void (await kernel.stop()));
  await kernel.start();
  expect(await kernel.stop()).toMatchObject({ ok: true });
  expect(ended).toEqual([
    '@cleocode/plugin-sse',
    '@cleocode/plugin-heartbeat',
    '@cleocode/plugin-key-rotation',
    '@cleocode/plugin-poller',
    '@cleocode/transport-http',
    '@cleocode/store/credentials',
  ]);
});

it('is what createRuntime promises, as seen by its parts', async () => {
  const seen: Record<string, object> = {};
  const stream = new SevenTransport();
  const transport = new Present();
  const handle: RuntimeHandle = await createRuntime(new MapRegistry('bob'), {
    transport,
    createSseTransport: () => stream,
    heartbeatIntervalMs: 20,
    pollIntervalMs: 20,
    logger: recorder().logger,
  });
  const look = (when: string) => () => {
    seen[when] = {
      stream: handle.sseConnection!.status().running,
      heartbeat: handle.heartbeat!.status().running,
      keyRotation: handle.keyRotation!.status().running,
      poller: handle.poller.status().running,
      transport: transport.connected,
    };
  };
  await until(() => expect([transport.reports.at(-1), stream.connected]).toEqual(['online', true]));
  stream.onDisconnect = look('stream disconnected');
  transport.onOffline = look('said offline');
  transport.onDisconnect = look('transport disconnected');
  await handle.stop();
  expect(Object.entries(seen)).toEqual([
    // Nobody should wait for an answer while the last handlers finish: this word is the first.
    ['said offline', { stream: true, heartbeat: true, keyRotation: true, poller: true, transport: true }],
    [
      'stream disconnected',
      { stream: true, heartbeat: false, keyRotation: true, poller: true, transport: true },
    ],
    [
      'transport disconnected',
      { stream: false, heartbeat: false, keyRotation: false, poller: false, transport: true },
    ],
  ]);
});

/** The same plugin, which notes when it ends. */
function recording({ definition, options }: Plugin, ended: string[]): Plugin {
  const { name, setup } = definition;
  return definePlugin({
    ...definition,
    setup(ctx, given, deps) {
      ctx.on('stop', () => void ended.push(name));
      setup(ctx, given, deps);
    },
  })(options);
}

class Present extends SevenTransport {
  readonly reports: string[] = [];
  onOffline = (): void => {};

  async heartbeat({ status }: { status: string }): Promise<void> {
    if (status === 'offline') this.onOffline();
    this.reports.push(status);
  }
}
