import { openDock } from '@cleocode/signaldock';
import { serve } from '@cleocode/signaldock/server';
import { fastify } from 'fastify';

/** What a server of a benchmark serves: a dock, or nothing but its framework. */
export type ServerJob = { kind: 'dock'; file: string; port?: number } | { kind: 'bare' };

const job = JSON.parse(process.argv[2]!) as ServerJob;
const { url, close } = job.kind === 'dock' ? await serveDock(job) : await serveBare();
process.on('message', async () => {
  await close();
  process.disconnect?.();
});
process.send!(url);

async function serveDock({ file, port = 0 }: { file: string; port?: number }) {
  const dock = await openDock({ file, retentionDays: 0 });
  const server = await serve({ dock, port, rateLimit: { max: 0 } });
  return {
    url: server.url,
    async close() {
      await server.close();
      await dock.close();
    },
  };
}

async function serveBare() {
  const app = fastify();
  const message = (content: string) => ({
    id: '00000000-0000-7000-8000-000000000000',
    conversationId: '00000000-0000-7000-8000-000000000000',
    fromAgentId: 'ada',
    toAgentId: 'bob',
    content,
    contentType: 'text',
    status: 'pending',
    createdAt: new Date().toISOString(),
    seq: 1,
  });
  const answer = (data: object) => ({ success: true, data, timestamp: new Date().toISOString() });
  app.post('/messages', (request) =>
    answer({ message: message((request.body as { content: string }).content) }),
  );
  app.get('/messages/peek', () =>
    answer({ messages: Array.from({ length: 10 }, () => message('x'.repeat(200))) }),
  );
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  return { url, close: () => app.close() };
}
