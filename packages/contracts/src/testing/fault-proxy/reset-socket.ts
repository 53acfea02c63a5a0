import type { Socket } from 'node:net';

/** Ends a socket with a reset, where it can be reset; nothing of it is left either way. */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return;
  // While its end is on its way a socket cannot be reset, and Node would keep its handle open for good.
  const ending = socket.writableEnded && !socket.writableFinished;
  if (socket.connecting || ending) socket.destroy();
  else socket.resetAndDestroy();
}
