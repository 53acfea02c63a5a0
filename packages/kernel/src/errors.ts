import { CleoError, type CleoErrorOptions } from '@cleocode/contracts';

/** Every code the kernel throws; each stands in `docs/errors.md`. */
export const KERNEL_ERROR_CODES = [
  'E_CONFIG_NOT_FOUND',
  'E_CONFIG_LOAD',
  'E_CONFIG_EMPTY',
  'E_CONFIG_INVALID',
  'E_PLUGIN_NOT_FOUND',
  'E_PLUGIN_INVALID',
  'E_PLUGIN_OPTIONS',
  'E_PLUGIN_API_VERSION',
  'E_PLUGIN_FAILED',
  'E_PLUGIN_TIMEOUT',
  'E_SERVICE_MISSING',
  'E_SERVICE_DUPLICATE',
  'E_SERVICE_UNDECLARED',
  'E_SERVICE_CYCLE',
  'E_KERNEL_STATE',
  'E_HANDLER_TIMEOUT',
  'E_DELIVERY_OVER',
  'E_AGENT_MISMATCH',
] as const;

/** A code that a {@link KernelError} may have. */
export type KernelErrorCode = (typeof KERNEL_ERROR_CODES)[number];

/** What a plugin was doing. */
export type Phase = 'setup' | 'init' | 'start' | 'message' | 'stop';

/** What an error of the kernel may say beside its code and its message. */
export interface KernelErrorOptions extends CleoErrorOptions {
  /** The plugin to blame. */
  plugin?: string;
  /** What it was doing. */
  phase?: Phase;
}

/** An error of the kernel, with the plugin to blame and the phase it was in. */
export class KernelError extends CleoError {
  declare readonly code: KernelErrorCode;
  readonly plugin: string | undefined;
  readonly phase: Phase | undefined;
  /** What else went wrong on the way out, such as a plugin that failed while a failed start was rolled back. */
  readonly others: unknown[] = [];

  constructor(code: KernelErrorCode, message: string, options: KernelErrorOptions = {}) {
    super(code, message, options);
    this.plugin = options.plugin;
    this.phase = options.phase;
  }

  /** Whether `error` is an error of the kernel (and of `code` when given), whichever copy of the package made it. */
  static override is(error: unknown, code?: KernelErrorCode): error is KernelError {
    return CleoError.is(error, code) && (KERNEL_ERROR_CODES as readonly string[]).includes(error.code);
  }
}
