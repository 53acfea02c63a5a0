import type { ConduitMessage } from '@cleocode/contracts';

/** A message from outside is JSON. From a transport inside the process, what is not is left out rather than lose the rest. */
export function toJson(message: ConduitMessage): string {
  try {
    return JSON.stringify(message);
  } catch {
    return JSON.stringify(Object.fromEntries(Object.entries(message).filter(([, value]) => isJson(value))));
  }
}

function isJson(value: unknown): boolean {
  try {
    JSON.stringify(value);
    return true;
  } catch {
    return false;
  }
}
