export {
  type ContractContext,
  type ContractRule,
  type PluginGiven,
  pluginContract,
} from './plugin-contract.ts';
export { providing } from './providing.ts';
export { type TestKernel, type TestKernelConfig, testKernel } from './test-kernel.ts';
