export type { KeyRotationStatus, RotationProblem } from './key-keeper.ts';
export { KeyRotationService, type KeyRotationServiceOptions } from './key-rotation-service.ts';
export {
  type KeyRotationMonitor,
  type KeyRotationOptions,
  keyRotation,
  keyRotation as default,
  keyRotationMonitor,
} from './plugin.ts';
