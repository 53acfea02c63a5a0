import { expect, it } from 'vitest';
import { openApiDocument, ROUTES } from './index.ts';
import { testServer } from './server.test.kit.ts';

// biome-ignore lint/suspicious/noExplicitAny: the document is read as loosely as a reader of it would.
const document = (await openApiDocument()) as any;

it('is OpenAPI 3.1 and describes every route', () => {
  expect(document.openapi).toBe('3.1.0');
  const described = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations as object).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const routes = ROUTES.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
  expect(described.sort()).toEqual(routes.sort());
});

it('says which routes need the key and the agent', () => {
  const open = ROUTES.filter(({ auth }) => auth === 'none').map(({ path }) => path);
  for (const { method, path, auth, summary } of ROUTES) {
    const operation = document.paths[path.replace(/:(\w+)/g, '{$1}')][method.toLowerCase()];
    expect(operation.summary).toBe(summary);
    expect(operation.security).toEqual(auth === 'none' ? undefined : [{ key: [], agent: [] }]);
  }
  expect(open.sort()).toEqual(['/', '/agents', '/health', '/messages/stream/status', '/openapi.json']);
});

it('says what a route takes and answers', () => {
  const { post } = document.paths['/messages'];
  const body = post.requestBody.content['application/json'].schema;
  expect(body.required).toEqual(['content', 'toAgentId']);
  expect(body.properties.contentType.enum).toContain('rich_text');
  expect(post.parameters).toMatchObject([{ in: 'header', name: 'idempotency-key', required: false }]);
  const answer = post.responses['200'].content['application/json'].schema;
  expect(answer.properties.data.properties.message.properties.seq).toMatchObject({ type: 'integer' });
  const query = document.paths['/messages/peek'].get.parameters;
  expect(query.find(({ name }: { name: string }) => name === 'after_seq')).toMatchObject({
    in: 'query',
    required: false,
    schema: { type: 'integer', minimum: 0 },
  });
  expect(document.paths['/agents'].post.responses).toHaveProperty('201');
  const stream = document.paths['/messages/stream'].get.responses['200'].content;
  expect(Object.keys(stream)).toEqual(['text/event-stream']);
});

it('is served as it is', async () => {
  const { ask } = await testServer();
  expect((await ask('GET /openapi.json')).body).toEqual(JSON.parse(JSON.stringify(document)));
});
