/**
 * `E_USAGE`: what stands on the command line cannot be meant. Not a `CleoError`, which would cost each command line the
 * import of the contracts before it is known to be right; it is shown the same.
 */
export class UsageError extends Error {
  readonly code = 'E_USAGE';
  readonly hint: string;

  constructor(message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UsageError';
    this.hint = hint;
  }
}
