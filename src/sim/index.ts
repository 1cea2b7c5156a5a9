export { type ClusterStatus, SimCluster, type SimClusterOptions } from './cluster.ts';
export { calmNetwork, type NetworkFaults, SimNetwork } from './network.ts';
export { compareReplicas } from './replicas.ts';
export {
  runScenario,
  ScenarioError,
  type ScenarioName,
  type ScenarioOptions,
  type ScenarioResult,
  scenarioNames,
} from './scenario.ts';
export { SimWorkload } from './workload.ts';
export { SimNode, SimWorld } from './world.ts';
