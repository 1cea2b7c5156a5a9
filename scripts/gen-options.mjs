// Writes src/config/table.ts from a JSON list of Ceph 16.2.15's options (names, types, defaults, limits: facts only), as
// `ceph config help NAME --format json` prints them one by one.   usage: node scripts/gen-options.mjs OPTIONS.json
import { readFileSync, writeFileSync } from 'node:fs';

// Whole numbers beyond 2^53 keep every digit as text.
const { options } = JSON.parse(readFileSync(process.argv[2], 'utf8').replace(/:\s*(\d{16,})/g, ': "$1"'));
const clean = (x) =>
  String(x ?? '')
    .replaceAll('|', '¦')
    .replaceAll('\n', ' ')
    .replaceAll('`', '')
    .replaceAll('\\', '\\\\')
    .replaceAll('${', '$\\{');
const rows = options.map((o) =>
  [
    o.name,
    o.type,
    o.level,
    clean(o.default),
    clean(o.daemon_default),
    clean(o.min),
    clean(o.max),
    (o.enum_values ?? []).join(','),
    (o.flags ?? []).join(','),
    (o.services ?? []).join(','),
    o.can_update_at_runtime ? 'r' : '',
  ].join('|'),
);
rows.sort();
writeFileSync(
  'src/config/table.ts',
  `/**
 * Options of Ceph 16.2.15, one a line. Made by scripts/gen-options.mjs; not edited by hand.
 * name|type|level|default|daemon default|min|max|enum values|flags|services|r: can be changed at run time
 */
export const optionTable = \`
${rows.join('\n')}
\`;
`,
);
