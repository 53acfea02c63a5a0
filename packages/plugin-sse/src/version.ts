import { packageVersion } from '@cleocode/kernel';

export const VERSION = packageVersion(import.meta.url);
