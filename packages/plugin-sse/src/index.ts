export type { MessageContext, MessageHandler } from '@cleocode/intake';
export type { StreamStatus } from './intake.ts';
export { type SseMonitor, type SseOptions, sse, sse as default, sseMonitor } from './plugin.ts';
export type { ResumeStore } from './resume-point.ts';
export { type SseConnectionOptions, SseConnectionService, type SseConnectionStatus } from './service.ts';
export type { StreamAddress, StreamSettings } from './settings.ts';
export { SseTransport, type SseTransportOptions } from './sse-transport.ts';
