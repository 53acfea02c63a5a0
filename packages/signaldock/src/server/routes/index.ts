import type { Route } from '../route.ts';
import { agentRoutes } from './agents.ts';
import { conversationRoutes } from './conversations.ts';
import { inboxRoutes } from './inbox.ts';
import { keyRoutes } from './keys.ts';
import { messageRoutes } from './messages.ts';
import { serverRoutes } from './server.ts';
import { streamRoutes } from './stream.ts';

/** Everything the server answers, in the order the documents show it. */
export const ROUTES: readonly Route[] = [
  ...serverRoutes,
  ...agentRoutes,
  ...keyRoutes,
  ...messageRoutes,
  ...inboxRoutes,
  ...conversationRoutes,
  ...streamRoutes,
];
