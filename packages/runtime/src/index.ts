export { type Composition, composePlugins } from './compose-plugins.ts';
export { type Backend, connectTransport } from './transport.ts';
