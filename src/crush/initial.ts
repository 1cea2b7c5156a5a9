import { addNamedBucket } from './items.ts';
import { CrushMap } from './map.ts';
import { addSimpleRule } from './rules.ts';

/** The types of a new cluster's map, by id. */
export const DEFAULT_TYPES = [
  'osd',
  'host',
  'chassis',
  'rack',
  'row',
  'pdu',
  'pod',
  'room',
  'datacenter',
  'zone',
  'region',
  'root',
] as const;

/**
 * The map of a new cluster: an empty `root=default` and `replicated_rule` across buckets of `chooseleafType` (option osd_crush_chooseleaf_type: 1,
 * hosts; 0, devices).
 */
export function initialCrushMap(chooseleafType = 1): CrushMap {
  const map = new CrushMap();
  map.typeNames = new Map(DEFAULT_TYPES.map((name, id) => [id, name]));
  addNamedBucket(map, 'default', 'root');
  addSimpleRule(map, {
    name: 'replicated_rule',
    root: 'default',
    failureDomain: map.typeNames.get(chooseleafType) ?? '',
    mode: 'firstn',
  });
  map.finalize();
  return map;
}
