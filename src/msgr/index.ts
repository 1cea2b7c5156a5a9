export * from './api.ts';
export * from './auth-api.ts';
export { messagePriority } from './constants.ts';
export { defaultOptions, type MessengerOptions } from './core.ts';
export { Messenger, type MessengerConfig, type PortRange } from './messenger.ts';
export { messageLength } from './out-queue.ts';
export {
  clientPolicies,
  mgrPolicies,
  monPolicies,
  osdClusterPolicies,
  osdHeartbeatClientPolicies,
  osdHeartbeatServerPolicies,
  osdPublicPolicies,
  type PolicySet,
  policies,
} from './policy.ts';
