import { type Codec, sortedMap, string } from '../encoding/index.ts';
import { compareText } from './osd/text-order.ts';

export { compareText };

/** std::map<std::string, std::string> */
export const textMap: Codec<ReadonlyMap<string, string>> = sortedMap(string, string, compareText);

/** `{host=a,rack=b}`, as Ceph prints such maps. */
export function formatTextMap(map: ReadonlyMap<string, string>): string {
  const parts = [...map].sort((a, b) => compareText(a[0], b[0])).map(([k, v]) => `${k}=${v}`);
  return `{${parts.join(',')}}`;
}

/** std::set<std::string>, written in order. */
export const textSet: Codec<readonly string[]> = {
  name: 'set<string>',
  length_min: 4,
  encode(w, texts) {
    w.u32(texts.length);
    for (const text of [...texts].sort(compareText)) w.string(text);
  },
  decode(r) {
    const n = r.count(4);
    const texts: string[] = [];
    for (let i = 0; i < n; i++) texts.push(r.string());
    return texts;
  },
};
