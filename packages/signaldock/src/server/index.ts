export type { ServerLogger } from './app.ts';
export { type AssemblyOptions, openApiDocument } from './assemble.ts';
export type { Route, RouteAuth } from './route.ts';
export { ROUTES } from './routes/index.ts';
export { type ServeOptions, type SignalDockServer, serve } from './serve.ts';
