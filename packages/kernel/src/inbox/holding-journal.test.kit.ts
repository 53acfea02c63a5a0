import type { AsideConversation, AsideJournal, HeldMessage } from '@cleocode/contracts';
import { MemoryJournal } from './memory-journal.ts';

/** A journal that can set conversations aside. It lives as long as a test, which is what a durable one is to a process. */
export class HoldingJournal extends MemoryJournal {
  readonly conversations = new Map<string, AsideConversation>();
  readonly held = new Map<string, HeldMessage & { conversation: string }>();

  readonly asides: AsideJournal = {
    list: () => Array.from(this.conversations.values(), (one) => ({ ...one })),
    hold: (conversation, { key, message }, aside) => {
      if (aside && !this.conversations.has(conversation))
        this.conversations.set(conversation, {
          conversation,
          ...aside,
          since: new Date().toISOString(),
          resuming: false,
        });
      const found = this.conversations.get(conversation);
      if (!found) return 'free';
      if (found.resuming) return 'resuming';
      this.release(key);
      if (!this.held.has(key)) this.held.set(key, { key, message, conversation });
      return 'held';
    },
    resume: (conversation) => {
      const found = this.conversations.get(conversation);
      if (found) found.resuming = true;
    },
    next: (conversation) => {
      const next = [...this.held.values()].find((one) => one.conversation === conversation);
      if (next) return { key: next.key, message: next.message };
      this.conversations.delete(conversation);
      return undefined;
    },
  };

  override done(key: string): void {
    super.done(key);
    this.held.delete(key);
  }

  override dead(key: string): void {
    super.dead(key);
    this.held.delete(key);
  }
}
