export { LocalTransport, type LocalTransportOptions } from './local-transport.ts';
export { type LocalTransportPluginOptions, localTransport, localTransport as default } from './plugin.ts';
