export type { IntakeReporter, MessageContext, MessageHandler } from '@cleocode/intake';
export { AgentPoller, type AgentPollerOptions, type AgentPollerStatus } from './agent-poller.ts';
export { Intake, type IntakeOptions, type IntakeSettings, type IntakeStatus } from './intake.ts';
export {
  type PollerMonitor,
  type PollerOptions,
  poller,
  poller as default,
  pollerMonitor,
} from './plugin.ts';
