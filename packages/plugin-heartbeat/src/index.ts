export type { HeartbeatStatus, PresenceState } from './heart.ts';
export { HeartbeatService, type HeartbeatServiceOptions } from './heartbeat-service.ts';
export {
  type HeartbeatOptions,
  heartbeat,
  heartbeat as default,
  type PresenceMonitor,
  presence,
} from './plugin.ts';
