import { openDock } from '@cleocode/signaldock';
import { serve } from '@cleocode/signaldock/server';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Sandbox } from '../cleo.test.kit.ts';

describe('cleo agent start, of an agent of a server', () => {
  it('tells that it hears at once, that it does not while the server is away, and that it does again', async () => {
    const box = new Sandbox();
    const dock = await openDock({ file: `${box.root}/signaldock.db` });
    onTestFinished(() => dock.close());
    const first = await serve({ dock, port: 0 });
    const port = Number(new URL(first.url).port);
    await box.registerAt({ url: first.url, dock }, 'bob');

    const agent = await box.start(['bob']);
    await agent.event('realtime', { state: 'live' });
    await dock.registerAgent({ agentId: 'ada' });
    const { id } = await dock.send('ada', 'bob', { content: 'hello' });
    await agent.event('done', { id });
    await first.close();
    const lost = await agent.event('realtime', { state: 'fallback' });
    const second = await serve({ dock, port });
    onTestFinished(() => second.close());
    await agent.until('live again', () => (states(agent.events).length >= 4 ? true : undefined));
    expect(await agent.stop()).toBe(0);

    expect(states(agent.events)).toEqual(['connecting', 'live', 'fallback', 'live']);
    expect(lost).toEqual({
      event: 'realtime',
      agentId: 'bob',
      state: 'fallback',
      problem: { code: expect.stringMatching(/^E_/), message: expect.any(String), hint: expect.any(String) },
    });
  });
});

function states(events: readonly Record<string, unknown>[]): unknown[] {
  return events.filter(({ event }) => event === 'realtime').map(({ state }) => state);
}
