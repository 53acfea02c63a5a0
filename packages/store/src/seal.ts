import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** What a sealed value belongs to: opened for anything else, it is refused. */
export interface SealContext {
  agentId: string;
  field: string;
}

/** Encrypts with AES-256-GCM under a fresh random IV: IV, tag and ciphertext in one. */
export function seal(key: Buffer, context: SealContext, text: string): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(CIPHER, key, iv).setAAD(aad(context));
  const ciphertext = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), ciphertext]);
}

/** Throws when the key is another, the context is another, or a single bit was changed. */
export function unseal(key: Buffer, context: SealContext, sealed: Uint8Array): string {
  const iv = sealed.subarray(0, IV_BYTES);
  const tag = sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES);
  const decipher = createDecipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES })
    .setAAD(aad(context))
    .setAuthTag(tag);
  return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString(
    'utf8',
  );
}

function aad({ agentId, field }: SealContext): Buffer {
  return Buffer.from(JSON.stringify([agentId, field]));
}
