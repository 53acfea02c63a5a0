export { type Composition, composePlugins } from './compose-plugins.ts';
export {
  type AgentHealth,
  agentHealth,
  type HealthProblem,
  type HealthSources,
  healthServices,
} from './health.ts';
