import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ADDRESS } from './address.ts';
import { Broker } from './broker.ts';

/** `node serve.ts [log]`: the broker, until Ctrl-C. */
const broker = new Broker(process.argv[2] ?? join(tmpdir(), 'cleo-broker.log'));
console.log(`broker on ${await broker.listen(ADDRESS)}`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void broker.close());
