export { formatJsonString, formatXmlText } from './escape.ts';
export {
  createFormatter,
  dumpArray,
  dumpObject,
  type Formatter,
  JsonFormatter,
  toJson,
  XmlFormatter,
} from './formatter.ts';
export { formatBytes, formatFixed, formatG, formatSi, formatWeight } from './number.ts';
export { type Align, TextTable, withoutBlankLines } from './table.ts';
export { formatTimespan } from './timespan.ts';
