export { Alarm } from './alarm.ts';
export { checkOptions } from './check-options.ts';
export { Condition, type IntakeReporter } from './condition.ts';
export type { MessageContext, MessageHandler } from './handler-inbox.ts';
export { isLastPage, type PageRequest, pollPage } from './poll-page.ts';
export { isUnasked, refusedKeyDelay, retryDelay } from './retry.ts';
export {
  type Source,
  type SourceParts,
  StandaloneIntake,
  type StandaloneOptions,
  type StandaloneStatus,
} from './standalone-intake.ts';
