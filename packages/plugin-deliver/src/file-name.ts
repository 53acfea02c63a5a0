import { createHash } from 'node:crypto';

/** Safe everywhere: no separator, no hidden file, and no second name that a file system without case takes for the same. */
const SAFE = /^[a-z0-9][a-z0-9._-]{0,127}$/;
/** Names that Windows keeps for devices, whatever their extension. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/;

/**
 * The name of a message's file: its id, where that is safe as a name. What is not (a transport may bring anything) becomes a
 * readable rest and a hash, told apart from every safe id by its `~`. The same id has the same name always, and no other id.
 */
export function fileName(id: string): string {
  if (SAFE.test(id) && !DEVICE.test(id)) return `${id}.json`;
  const readable = id.toLowerCase().replaceAll(/[^a-z0-9._-]+/g, '-');
  // As JSON, in which one half of a surrogate pair is not another.
  const hash = createHash('sha256').update(JSON.stringify(id)).digest('hex');
  return `${readable.replace(/^[^a-z0-9]+/, '').slice(0, 40)}~${hash}.json`;
}
