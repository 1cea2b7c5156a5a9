import type { Config } from '../../config/index.ts';
import { type CrushMap, decodeCrushMap, encodeCrushMap, fullLocation, initialCrushMap } from '../../crush/index.ts';
import type { CrushView } from './context.ts';

/** Reads the CRUSH map of an OSD map. @throws DecodeError */
export function decodeCrush(bytes: Uint8Array): CrushMap {
  return decodeCrushMap(bytes);
}

export function encodeCrush(crush: CrushMap, features: bigint): Uint8Array {
  return encodeCrushMap(crush, features).slice();
}

/** The CRUSH map of a new cluster: an empty root and the replicated rule. */
export function initialCrush(config: Config): CrushMap {
  return initialCrushMap(config.num('osd_crush_chooseleaf_type'));
}

/** The questions of commands and services, answered by a map. */
export function crushView(map: CrushMap): CrushView {
  const locations = new Map<number, Map<string, string>>();
  return {
    ruleId: (name) => map.ruleId(name),
    ruleName: (id) => map.ruleNames.get(id),
    ruleIds: () => [...map.rules.keys()].filter((id) => map.rules[id] !== undefined),
    ruleMask: (id) => {
      const rule = map.rules[id];
      return rule === undefined ? undefined : { type: rule.type, minSize: rule.minSize, maxSize: rule.maxSize };
    },
    itemId: (name) => map.itemId(name),
    itemName: (id) => map.itemNames.get(id),
    classId: (name) => map.classId(name),
    classOf: (osd) => map.className(osd),
    typeId: (name) => map.typeId(name),
    locationOf: (item) => {
      let location = locations.get(item);
      if (location === undefined) {
        location = new Map(fullLocation(map, item) ?? []);
        locations.set(item, location);
      }
      return location;
    },
  };
}
