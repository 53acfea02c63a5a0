export { type Composition, composePlugins } from './compose-plugins.ts';
export { connectTransport } from './transport.ts';
