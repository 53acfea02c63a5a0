/** What the process answers to the shell; a script may rely on these. */
export const EXIT = {
  done: 0,
  failed: 1,
  /** Wrong usage, or a configuration that cannot be used. */
  usage: 2,
  /** The agent does not run, or is not well. */
  unhealthy: 3,
  notFound: 4,
  /** Another instance runs. */
  refused: 5,
  /** A second Ctrl-C. */
  interrupted: 130,
} as const;

const USAGE =
  /^E_(?:USAGE|AGENT_(?:MISMATCH|ID_INVALID)$|CREDENTIAL_INVALID$|CONFIG_|PLUGIN_(?:NOT_FOUND|INVALID|OPTIONS|API_VERSION)$|SERVICE_|TRANSPORT_(?:ADDRESS|INSECURE)$|VALIDATION_)/;

/** The exit code for an error, by its code alone. */
export function exitCodeOf(code: string): number {
  if (code === 'E_ALREADY_RUNNING') return EXIT.refused;
  if (code === 'E_NOT_RUNNING') return EXIT.unhealthy;
  if (code.startsWith('E_NOT_FOUND_') || code === 'E_NO_AGENT') return EXIT.notFound;
  return USAGE.test(code) ? EXIT.usage : EXIT.failed;
}
