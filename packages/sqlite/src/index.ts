export { type Database, type OpenOptions, openDatabase } from './database.ts';
export { storageError } from './errors.ts';
export { acquireLock, type HeldLock, lockHolder } from './lock.ts';
export { type WatchOptions, watchDatabase } from './watch.ts';
