export { registerAgent, SignalDockClient } from './client.ts';
export { HttpTransport, type HttpTransportOptions } from './http-transport.ts';
export type { HttpConnectConfig, HttpOptions } from './open-api.ts';
export { type HttpTransportPluginOptions, httpTransport, httpTransport as default } from './plugin.ts';
