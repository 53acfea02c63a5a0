import type { Inbox } from '@cleocode/contracts';
import type { SetAside } from './set-aside.ts';

/**
 * Lets those conversations go on that another process has resumed or dropped; resolves with whether one could not be, and is
 * to be tried again.
 */
export async function resumeAsAsked(
  asides: Pick<SetAside, 'state'>,
  inbox: Pick<Inbox, 'aside' | 'resume'>,
): Promise<boolean> {
  let failed = false;
  for (const { conversation, resuming } of inbox.aside?.() ?? []) {
    if (resuming || asides.state(conversation) === 'aside') continue;
    try {
      await inbox.resume?.(conversation);
    } catch {
      // The journal's own calls meet the same fault and report it.
      failed = true;
    }
  }
  return failed;
}
