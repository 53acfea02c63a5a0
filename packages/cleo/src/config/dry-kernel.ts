import { createKernel, type KernelConfig, type KernelDescription, type Logger } from '@cleocode/kernel';

/** How a kernel would be: its plugins set up, which opens nothing, and none of them started. Rejects as a start would. */
export async function dryKernel(config: KernelConfig, logger: Logger): Promise<KernelDescription> {
  const kernel = createKernel({ ...config, logger });
  try {
    await kernel.prepare();
    return kernel.describe();
  } finally {
    await kernel.stop('only looked at');
  }
}
