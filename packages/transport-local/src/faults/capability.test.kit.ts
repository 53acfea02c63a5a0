import type { ConduitMessage } from '@cleocode/contracts';
import { type Fault, fault, type Methods, message, unsent } from './fault.test.kit.ts';

export const capabilityFaults: Fault[] = [
  // Native push
  fault('replays history to a subscriber', 'a subscriber hears each new message once, in order', (t) => ({
    subscribe: (handler) => {
      void t.poll().then((messages) => messages.forEach(handler));
      return t.subscribe(handler);
    },
  })),
  fault('hears a hundred and no more', 'a subscriber hears a burst whole', (t) => ({
    subscribe: (handler) => {
      let count = 0;
      return t.subscribe((each) => (++count <= 100 ? handler(each) : undefined));
    },
  })),
  fault(
    'hears its own pushes',
    'a subscriber hears what is addressed to its agent, not what it sends',
    (t) => {
      const handlers: Parameters<Methods['subscribe']>[0][] = [];
      return {
        subscribe: (handler) => {
          handlers.push(handler);
          return t.subscribe(handler);
        },
        push: async (to, content, options) => {
          const sent = await t.push(to, content, options);
          for (const handler of handlers) handler(message(content));
          return sent;
        },
      };
    },
  ),
  fault(
    'goes deaf when a subscriber throws',
    'a subscriber that throws or ends harms no other, and hearing is not acking',
    (t) => {
      let deaf = false;
      return {
        subscribe: (handler) =>
          t.subscribe((each) => {
            if (deaf) return;
            deaf = true;
            handler(each);
            deaf = false;
          }),
      };
    },
  ),
  fault(
    'acks what it hands out',
    'a subscriber that throws or ends harms no other, and hearing is not acking',
    (t) => ({
      subscribe: (handler) =>
        t.subscribe(async (each) => {
          await handler(each);
          await t.ack([each.id]);
        }),
    }),
  ),
  fault('keeps its subscribers for the next connection', 'a disconnect ends its subscriptions', (t) => {
    const handlers: Parameters<Methods['subscribe']>[0][] = [];
    return {
      subscribe: (handler) => {
        handlers.push(handler);
        return t.subscribe(handler);
      },
      connect: async (config) => {
        await t.connect(config);
        for (const handler of handlers) t.subscribe(handler);
      },
    };
  }),

  // Presence and keys
  fault('finds everyone online', 'presence is what the agent last said', (t) => ({
    isOnline: async (...given) => ({ ...(await t.isOnline(...given)), online: true }),
  })),
  fault('does not fence presence', 'a late offline of an earlier process is ignored', (t) => ({
    setStatus: ({ status }) => t.setStatus({ status }),
  })),
  fault('beats by sending a message to itself', 'a heartbeat is not a message', (t) => {
    const beats: ConduitMessage[] = [];
    return {
      heartbeat: async () => void beats.push(message('beat')),
      poll: async (options) => [...beats, ...(await t.poll(options))],
    };
  }),
  fault('takes whom it does not know for offline', 'the presence of an unknown agent is an error', (t) => ({
    isOnline: (agentId) =>
      t.isOnline(agentId).catch(() => ({ agentId, online: false, status: 'offline' as const })),
  })),
  fault(
    'rotates again when asked again',
    'a rotation answers a new key, and the same one when it is repeated',
    (t) => ({ rotateKey: ({ idempotencyKey: _, ...options } = {}) => t.rotateKey(options) }),
  ),
  fault(
    'takes any key for verified',
    'a key is verified without being used, and one that is not the agent’s is refused',
    () => ({ verifyKey: async () => {} }),
  ),
  fault('rotates to a key of no use', 'a rotation is no interruption, and the new key connects', (t) => {
    let useless = false;
    return {
      rotateKey: async (options) => {
        const rotated = await t.rotateKey(options);
        useless = true;
        return rotated;
      },
      push: async (...given) => (useless ? unsent() : t.push(...given)),
    };
  }),
];
