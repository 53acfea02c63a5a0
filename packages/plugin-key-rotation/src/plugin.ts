import { defineService, keyIssuerOf, type RequestOptions, services } from '@cleocode/contracts';
import { definePlugin, packageVersion, type Task } from '@cleocode/kernel/define';
import { z } from 'zod';
import { KeyKeeper, type KeyRotationStatus } from './key-keeper.ts';
import { CHECK_INTERVAL_MS, MAX_KEY_AGE_MS, MAX_OVERLAP_S } from './key-rotation-service.ts';

/** What is known of the key's age and of its rotations, a way to rotate now, and one to pause it. */
export interface KeyRotationMonitor extends Task {
  status(): KeyRotationStatus;
  /** Rotates now, paused or not, whatever the age of the key. Rejects with why it could not; the old key stays in use then. */
  rotateNow(options?: RequestOptions): Promise<void>;
}

/** The service by which other plugins and programs see the rotation, begin or pause it. */
export const keyRotationMonitor = defineService<KeyRotationMonitor>('keyRotation');

const options = z.strictObject({
  /** A key is replaced before it is this old, in milliseconds; 0 begins no rotation. */
  maxKeyAgeMs: z.number().nonnegative().default(MAX_KEY_AGE_MS),
  /** The longest time between two looks at the key, in milliseconds. */
  checkIntervalMs: z.number().positive().default(CHECK_INTERVAL_MS),
  /** How long the old key is to work beside the new one, in seconds, where the backend can. Default: as it likes (600). */
  overlapSeconds: z.number().min(0).max(MAX_OVERLAP_S).optional(),
});

/** Options of {@link keyRotation}. */
export type KeyRotationOptions = z.input<typeof options>;

/** The key of the agent is replaced in time, while its messages flow. */
export const keyRotation = definePlugin({
  name: '@cleocode/plugin-key-rotation',
  version: packageVersion(import.meta.url),
  apiVersion: 1,
  options,
  requires: { transport: services.transport, agent: services.agent, registry: services.registry },
  provides: [keyRotationMonitor],
  setup(ctx, given, { transport, agent, registry }) {
    const keeper = new KeyKeeper({
      ...given,
      agentId: () => agent.id,
      registry,
      issuer: keyIssuerOf(transport),
      agent,
      onRotated: () => ctx.logger.info('the key was rotated'),
      onError: ({ code, message, hint }) => ctx.logger.warn(`key rotation: ${message}`, { code, hint }),
      onRecovered: (failures) => ctx.logger.info('key rotation: works again', { failures }),
    });
    let task: Task | undefined;
    ctx.provide(keyRotationMonitor, {
      start: () => task?.start(),
      stop: async () => task?.stop(),
      status: () => keeper.status(),
      rotateNow: (options) => keeper.rotateNow(options),
    });
    ctx.on('start', () => {
      task = ctx.task('key-rotation', (signal) => keeper.run(signal));
    });
  },
});
