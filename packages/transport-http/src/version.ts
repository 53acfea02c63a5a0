import { packageVersion } from '@cleocode/kernel/define';

export const VERSION = packageVersion(import.meta.url);
