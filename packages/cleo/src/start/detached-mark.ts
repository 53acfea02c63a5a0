/** The variable that says to a new process that it is the one of `--detach`, and where what it writes past its logs is kept. */
export const DETACHED = 'CLEO_DETACHED';
