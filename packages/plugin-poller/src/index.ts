export { AgentPoller, type AgentPollerOptions, type AgentPollerStatus } from './agent-poller.ts';
export type { IntakeReporter } from './condition.ts';
export type { MessageContext, MessageHandler } from './handler-inbox.ts';
export { Intake, type IntakeOptions, type IntakeSettings, type IntakeStatus } from './intake.ts';
export { type PollerOptions, poller, poller as default } from './plugin.ts';
