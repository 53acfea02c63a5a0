/** How much the inbox takes in, how it tries again, and when a conversation is set aside. Whole numbers. */
export interface InboxOptions {
  /** Handlers at work at once. Default 16. */
  concurrency?: number;
  /** Messages held at once, waiting or being handled. Default 1,024. */
  capacity?: number;
  /** Characters of content held at once, 32 Mi of them. Default 33,554,432. */
  capacityBytes?: number;
  /** Messages of one conversation held at once, so that one that does not move leaves room for others. Default 128. */
  laneCapacity?: number;
  /**
   * Failed attempts before a message becomes a dead letter. Default 5. Twice as many attempts cut short by a crash end it too:
   * a message that kills its process must not do so for ever.
   */
  maxAttempts?: number;
  /** The first retry waits about this long, in milliseconds; each further one twice as long. Default 1,000. */
  retryBaseMs?: number;
  /** The longest wait before a retry, in milliseconds. Default 60,000. */
  retryMaxMs?: number;
  /**
   * Answers in a row, with no person in between, by which a message may have come about. A conversation with one beyond that is
   * set aside until somebody resumes it. Default 8; 0 for no limit.
   */
  maxHops?: number;
  /**
   * Answers to answers within a minute that one conversation gets; with more it is set aside. What people write, or programs
   * send by themselves, does not count. Default 60; 0 for no limit.
   */
  maxRepliesPerMinute?: number;
}

export function withDefaults(options: InboxOptions): Required<InboxOptions> {
  return {
    concurrency: options.concurrency ?? 16,
    capacity: options.capacity ?? 1024,
    capacityBytes: options.capacityBytes ?? 32 * 1024 * 1024,
    laneCapacity: options.laneCapacity ?? 128,
    maxAttempts: options.maxAttempts ?? 5,
    retryBaseMs: options.retryBaseMs ?? 1_000,
    retryMaxMs: options.retryMaxMs ?? 60_000,
    maxHops: options.maxHops ?? 8,
    maxRepliesPerMinute: options.maxRepliesPerMinute ?? 60,
  };
}
