import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { get } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Running, Sandbox } from '../cleo.test.kit.ts';

describe('cleo signaldock serve', () => {
  it('lets agents of other machines talk with those on the embedded backend of its folder', async () => {
    const [here, there] = [new Sandbox(), new Sandbox()];
    await here.register('bob');
    const { server, url } = await serving(here);
    expect((await there.json(['agent', 'register', 'ada', '--api-url', url])).code).toBe(0);
    expect((await there.cleo(['agent', 'send', 'hello', '--agent', 'ada', '--to', 'bob'])).code).toBe(0);
    expect(await (await here.dock()).peek('bob')).toMatchObject([{ fromAgentId: 'ada', content: 'hello' }]);
    expect(await server.stop()).toBe(0);
    expect(server.events).toEqual([
      { event: 'listening', url },
      { event: 'stopped', reason: 'SIGTERM', ok: true },
    ]);
  });

  it('says to a person where it listens, where the data is and how to register', async () => {
    const box = new Sandbox();
    const server = box.spawn(['signaldock', 'serve', '--port', '0', '--data', 'shared']);
    await server.until('the end of the text', () => server.stdout.includes('Ctrl-C') || undefined);
    const [, url] = /^listening on (http:\/\/127\.0\.0\.1:\d+)\n/.exec(server.stdout)!;
    expect(server.stdout).toContain(join(box.cwd, 'shared', 'signaldock.db'));
    expect(server.stdout).toContain(`cleo agent register my-agent --api-url ${url}\n`);
    expect(await server.stop('SIGINT')).toBe(0);
    expect([server.stdout.endsWith('\nstopped\n'), server.stderr]).toEqual([true, '']);
    expect([existsSync(join(box.cwd, 'shared')), existsSync(box.stateDir)]).toEqual([true, false]);
  });

  it('ends streams with a hint when to come back, takes its limits from the command line', async () => {
    const box = new Sandbox();
    const { apiKey } = await (await box.dock()).registerAgent({ agentId: 'bob' });
    const { server, url } = await serving(box, ['--rate-limit', '2', '--heartbeat', '1.5']);
    const health = (await (await fetch(`${url}/health`)).json()) as object;
    expect(JSON.stringify(health)).toContain('"streamHeartbeatMs":1500');
    const headers = { authorization: `Bearer ${apiKey}`, 'x-agent-id': 'bob' };
    const stream = openStream(`${url}/messages/stream`, headers);
    await stream.until('connected');
    const ask = async () => (await fetch(`${url}/messages/peek`, { headers })).status;
    expect([await ask(), await ask()]).toEqual([200, 429]);
    expect(await server.stop()).toBe(0);
    expect(await stream.ended).toMatch(/\nretry: \d+\n/);
  });

  it('waits for a request that has begun, and ends at once with 130 on the second signal', async () => {
    const box = new Sandbox();
    const { server, url } = await serving(box);
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => {}); // It is cut off in the end.
    const head =
      'POST /agents HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 20\r\n';
    await new Promise((resolve) => socket.write(`${head}expect: 100-continue\r\n\r\n`, resolve));
    await new Promise((resolve) => socket.once('data', resolve));
    server.signal('SIGTERM');
    await server.until('the note', () => server.stderr.includes('Ctrl-C again') || undefined);
    expect(await server.stop('SIGINT')).toBe(130);
    expect(server.events).toMatchObject([{ event: 'listening' }]);
  });

  it('serves https with a certificate and its key', async () => {
    const [here, there] = [new Sandbox(), new Sandbox()];
    certify(here.cwd);
    const tls = ['--tls-cert', 'cert.pem', '--tls-key', 'key.pem'];
    const { server, url } = await serving(here, tls);
    expect(url).toMatch(/^https:/);
    const env = { NODE_EXTRA_CA_CERTS: join(here.cwd, 'cert.pem') };
    const { lines } = await there.json(['agent', 'register', 'ada', '--api-url', url], { env });
    expect(lines).toMatchObject([{ ok: true, apiBaseUrl: url }]);
    expect(await server.stop()).toBe(0);
  });

  it('says aloud what --insecure means', async () => {
    const { server } = await serving(new Sandbox(), ['--insecure']);
    expect(server.stderr).toMatch(/^warning: --insecure: .+ can read keys and messages\n$/);
    expect(await server.stop()).toBe(0);
  });

  it('names a port that is in use, and goes on when nobody reads what it prints', async () => {
    const box = new Sandbox();
    const { server, url } = await serving(box);
    const { port } = new URL(url);
    const second = await box.json(['signaldock', 'serve', '--port', port]);
    expect(second.lines).toMatchObject([
      {
        ok: false,
        error: {
          code: 'E_LISTEN_FAILED',
          message: expect.stringContaining(`port ${port} of 127.0.0.1`),
          hint: expect.stringContaining('0 picks a free one'),
        },
      },
    ]);
    expect(second.code).toBe(1);
    server.closeStdout();
    expect((await fetch(`${url}/health`)).status).toBe(200);
    expect(await server.stop()).toBe(0);
  });

  it.for([
    ['an address of another machine', ['--host', '203.0.113.7', '--insecure'], 1, 'E_LISTEN_FAILED'],
    ['plain http for other machines', ['--host', '0.0.0.0'], 2, 'E_USAGE'],
    ['a certificate without its key', ['--tls-cert', 'file'], 2, 'E_USAGE'],
    ['a certificate that is not there', ['--tls-cert', 'none', '--tls-key', 'file'], 2, 'E_USAGE'],
    ['a certificate that is none', ['--tls-cert', 'file', '--tls-key', 'file'], 2, 'E_USAGE'],
    ['plain http and https', ['--tls-cert', 'file', '--tls-key', 'file', '--insecure'], 2, 'E_USAGE'],
    ['a file for its data', ['--data', 'file'], 2, 'E_USAGE'],
    ['a heartbeat without a pause', ['--heartbeat', '0'], 2, 'E_USAGE'],
  ] as const)('refuses %s', async ([, args, exit, code]) => {
    const box = new Sandbox();
    box.write('file', 'text');
    const answer = await box.json(['signaldock', 'serve', '--port', '0', ...args]);
    expect(answer.lines).toMatchObject([{ ok: false, error: { code, hint: expect.any(String) } }]);
    expect(answer.code).toBe(exit);
    expect(exit === 2 && existsSync(box.stateDir)).toBe(false);
  });

  // Who may do everything may also write where nobody may.
  it.skipIf(process.getuid?.() === 0)('refuses a folder that it may not write', async () => {
    const box = new Sandbox();
    mkdirSync(join(box.cwd, 'locked'), { mode: 0o500 });
    const { code, lines } = await box.json(['signaldock', 'serve', '--port', '0', '--data', 'locked']);
    expect(lines).toMatchObject([{ error: { code: 'E_STORAGE_READONLY', hint: expect.any(String) } }]);
    expect(code).toBe(1);
  });
});

/** The server of a box, on a port of its own, listening. */
async function serving(box: Sandbox, args: string[] = []): Promise<{ server: Running; url: string }> {
  const server = box.spawn(['signaldock', 'serve', '--port', '0', '--json', ...args]);
  const { url } = await server.event('listening');
  return { server, url: url as string };
}

function openStream(url: string, headers: Record<string, string>) {
  let text = '';
  let look = () => {};
  const ended = new Promise<string>((resolve, reject) => {
    const request = get(url, { headers }, (response) => {
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
        look();
      });
      response.once('end', () => resolve(text));
    });
    request.once('error', reject);
    onTestFinished(() => void request.destroy());
  });
  const until = (part: string) =>
    new Promise<void>((resolve) => {
      look = () => {
        if (text.includes(part)) resolve();
      };
      look();
    });
  return { ended, until };
}

function certify(folder: string): void {
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', ['req', '-x509', ...curve, '-keyout', 'key.pem', '-out', 'cert.pem', ...name], {
    cwd: folder,
    stdio: 'ignore',
  });
}
