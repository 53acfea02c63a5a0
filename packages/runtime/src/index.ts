export { HeartbeatService, type HeartbeatStatus } from '@cleocode/plugin-heartbeat';
export { KeyRotationService, type KeyRotationStatus } from '@cleocode/plugin-key-rotation';
export { AgentPoller, type AgentPollerStatus } from '@cleocode/plugin-poller';
export { SseConnectionService, type SseConnectionStatus } from '@cleocode/plugin-sse';
export * from './compose.ts';
export {
  createRuntime,
  type MessageSource,
  type RuntimeHandle,
  type RuntimeMessageHandler,
  type RuntimeStatus,
} from './create-runtime.ts';
export type {
  CreateSseTransport,
  RuntimeConfig,
  RuntimeCredential,
  RuntimeRegistry,
} from './runtime-config.ts';
