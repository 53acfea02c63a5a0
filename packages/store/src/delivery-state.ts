/** The column `state` of the table `deliveries`. */

/** Begun, and not ended yet. */
export const OPEN = 0;
export const DONE = 1;
export const DEAD = 2;
/** Was dead and is to be handled again: begins like an open one, and keeps its message until it has ended anew. */
export const REPLAY = 3;
/** Its conversation is set aside: begins like an open one, and keeps its message until it has ended. */
export const HELD = 4;
