import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Workbench } from './workbench.ts';

export function canSelfSign(): boolean {
  return spawnSync('openssl', ['version']).status === 0;
}

/** A certificate for this machine that nobody trusts who is not given its `file`. */
export function selfSigned(bench: Workbench): { file: string; cert: Buffer; key: Buffer } {
  const [file, keyFile] = [join(bench.folder, 'cert.pem'), join(bench.folder, 'key.pem')];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', ['req', ...kind, '-keyout', keyFile, '-out', file, ...subject], {
    stdio: 'ignore',
  });
  return { file, cert: readFileSync(file), key: readFileSync(keyFile) };
}
