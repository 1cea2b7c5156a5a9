export { type ClusterStatus, SimCluster, type SimClusterOptions } from './cluster.ts';
export { calmNetwork, type NetworkFaults, SimNetwork } from './network.ts';
export { crashOneOsd, type ScenarioOptions, type ScenarioResult } from './scenario.ts';
export { SimWorkload } from './workload.ts';
export { SimNode, SimWorld } from './world.ts';
