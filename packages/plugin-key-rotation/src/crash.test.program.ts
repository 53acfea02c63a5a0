// Rotates the key of `bob` and stands still at the point it is told, until it is killed.
import { type KeyIssuer, keyIssuerOf } from '@cleocode/contracts';
import { openStore } from '@cleocode/store';
import { HttpTransport } from '@cleocode/transport-http';

const [dir, dataDir, point] = process.argv.slice(2) as [string, string, string];
const store = await openStore({ dir, dataDir });
const { apiKey, apiBaseUrl } = (await store.registry.get('bob'))!;
const transport = new HttpTransport();
await transport.connect({ agentId: 'bob', apiBaseUrl, apiKey });
const real = keyIssuerOf(transport)!;

async function reached(here: string): Promise<void> {
  if (here !== point) return;
  console.log(here);
  await new Promise(() => setInterval(() => {}, 1_000));
}

const issuer: KeyIssuer = {
  async issue(credential, options) {
    await reached('the intent is stored');
    const issued = await real.issue(credential, options);
    await reached('the backend has made the key');
    return issued;
  },
  async verify(key, options) {
    await reached('the key is stored');
    await real.verify!(key, options);
    await reached('the key is verified');
  },
};
await store.registry.rotateKey('bob', { issuer });
await reached('the key is in use');
