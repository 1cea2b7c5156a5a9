import { formatG } from '../../types/index.ts';

/** What one rule and number of replicas gave, for `crushtool --output-csv`. */
export interface CsvData {
  /** `x,osd,osd,...` */
  readonly placements: string[];
  /** For every batch the objects per device. */
  readonly batches: number[][];
  /** 16.16 */
  readonly weights: readonly number[];
  readonly proportional: readonly number[];
  readonly per: readonly number[];
  readonly expected: readonly number[];
  /** As given on the command line, -1 for not. */
  readonly maxRep: number;
}

/** The files' names, less the prefix, and their texts. */
export function csvFiles(data: CsvData, batches: number): [name: string, text: string][] {
  const used = (osd: number): boolean => data.expected[osd]! > 0 && data.per[osd]! > 0;
  const utilization = (all: boolean): string =>
    'Device ID, Number of Objects Stored, Number of Objects Expected\n' +
    lines(data.per, (stored, osd) =>
      all || used(osd) ? `${osd},${formatG(stored)},${formatG(data.expected[osd]!)}` : undefined,
    );
  const perDevice = (heading: string, values: readonly number[], all: boolean): string =>
    `Device ID, ${heading}\n${lines(values, (value, osd) => (all || value > 0 ? `${osd},${formatG(value)}` : undefined))}`;
  const columns = (text: string, count: number): string =>
    Array.from({ length: Math.max(0, count) }, (_, i) => `, ${text}${i}`).join('');
  const files: [string, string][] = [
    ['device_utilization', utilization(false)],
    ['device_utilization_all', utilization(true)],
    ['placement_information', `Input${columns('OSD', data.maxRep)}\n${lines(data.placements, (line) => line)}`],
    ['proportional_weights', perDevice('Proportional Weight', data.proportional, false)],
    ['proportional_weights_all', perDevice('Proportional Weight', data.proportional, true)],
    [
      'absolute_weights',
      perDevice(
        'Absolute Weight',
        data.weights.map((weight) => Math.fround(weight / 0x10000)),
        true,
      ),
    ],
  ];
  if (batches > 1) {
    const rounds = lines(data.batches, (per, batch) => [batch, ...per].join(','));
    const devices = data.per.filter((_, osd) => used(osd)).length;
    // As in Ceph the file of what is expected has what was stored.
    files.push(
      ['batch_device_utilization_all', `Batch Round${columns('Objects Stored on OSD', devices)}\n${rounds}`],
      ['batch_device_expected_utilization_all', `Batch Round${columns('Objects Expected on OSD', devices)}\n${rounds}`],
    );
  }
  return files;
}

function lines<T>(values: readonly T[], line: (value: T, index: number) => string | undefined): string {
  return values
    .map(line)
    .filter((text) => text !== undefined)
    .map((text) => `${text}\n`)
    .join('');
}
