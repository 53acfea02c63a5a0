import { z } from 'zod';

/** What an agent needs to connect, in one piece. */
export const connectionKitSchema = z.object({
  apiBase: z.string(),
  authHeader: z.string(),
  pollEndpoint: z.string(),
  sseEndpoint: z.string(),
  docsUrl: z.string(),
  configTemplate: z.object({
    agentId: z.string(),
    apiKey: z.string(),
    apiBaseUrl: z.string(),
    pollEndpoint: z.string(),
    sseEndpoint: z.string(),
  }),
});
export type ConnectionKit = z.infer<typeof connectionKitSchema>;

export function connectionKit(apiBase: string, agentId: string, apiKey: string): ConnectionKit {
  const endpoints = { pollEndpoint: '/messages/poll/new', sseEndpoint: '/messages/stream' };
  return {
    apiBase,
    authHeader: `Authorization: Bearer ${apiKey}`,
    ...endpoints,
    docsUrl: `${apiBase}/openapi.json`,
    configTemplate: { agentId, apiKey, apiBaseUrl: apiBase, ...endpoints },
  };
}
