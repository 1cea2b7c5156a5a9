// Makes docs/rados/api.md, the reference of what `sepiola/rados` exports, of the declarations that tsc emits and their docstrings.
//   usage: node scripts/docs-rados.mjs [--check]      with --check: exit status 1 where the page is not current
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const page = join(root, 'docs', 'rados', 'api.md');

function* declarations(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* declarations(path);
    else if (entry.name.endsWith('.d.ts')) yield readFileSync(path, 'utf8');
  }
}

/** A docstring's text: without stars, lines joined to paragraphs, links as code. */
function prose(comment) {
  if (comment === undefined) return '';
  return comment
    .replace(/^\/\*\*|\*\/$/g, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''))
    .map((line) => (/^ {4}/.test(line) ? line : line.trim()))
    .join('\n')
    .trim()
    .replace(/\{@link ([^}]+)\}/g, '`$1`');
}

/** End of what begins at `from`: after the `;` or the closing brace at the outermost level. */
function endOf(text, from) {
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    const c = text[i];
    if ('({['.includes(c)) depth++;
    else if (')}]'.includes(c)) depth--;
    else if (c === "'" || c === '"') i = text.indexOf(c, i + 1);
    else if (c === '/' && text[i + 1] === '*') i = text.indexOf('*/', i) + 1;
    if (depth === 0 && (c === ';' || (c === '}' && !/^\s*[;)\],|&[]/.test(text.slice(i + 1, i + 40))))) return i + 1;
  }
  return text.length;
}

/** Members of a class or interface: comment and signature. */
function* members(body) {
  const start = /\s*(?:(\/\*\*[\s\S]*?\*\/)\s*)?/y;
  let at = 0;
  for (;;) {
    start.lastIndex = at;
    const match = start.exec(body);
    const begin = start.lastIndex;
    if (begin >= body.length || body.slice(begin).trim() === '') return;
    let end = begin;
    // A member ends with a semicolon at the outermost level.
    let depth = 0;
    for (; end < body.length; end++) {
      const c = body[end];
      if ('({['.includes(c)) depth++;
      else if (')}]'.includes(c)) depth--;
      else if (c === '/' && body[end + 1] === '*') end = body.indexOf('*/', end) + 1;
      if (c === ';' && depth === 0) break;
    }
    yield { comment: match[1], signature: body.slice(begin, end).replace(/\s+/g, ' ').trim() };
    at = end + 1;
  }
}

/** One member: its signature, what it does, and an example where there is one. */
function item(signature, comment) {
  const all = prose(comment).split('\n');
  const words = all
    .filter((line) => !line.startsWith('    '))
    .join('\n')
    .trim();
  const example = all.filter((line) => line.startsWith('    ')).map((line) => `  ${line.slice(4)}`);
  const told = words === '' ? '' : `<br>${words.replaceAll('\n\n', '<br>').replaceAll('\n', ' ')}`;
  const shown = example.length === 0 ? '' : `\n\n  \`\`\`ts\n${example.join('\n')}\n  \`\`\`\n`;
  return `- \`${signature}\`${told}${shown}`;
}

const HIDDEN = /^(#private|private |protected |constructor|override _)/;

/** Public by accident of layering: what other folders of the project use. */
const INTERNAL = new Set([
  'Rados.messenger',
  'Rados.monClient',
  'Rados.objecter',
  'Rados.mgrClient',
  'Rados.clock',
  'Rados.entropy',
  'Rados.createPoolSnap',
  'Rados.removePoolSnap',
  'Rados.createSelfManagedSnap',
  'Rados.removeSelfManagedSnap',
  'ObjectOperation.ops',
  'ObjectOperation.settle',
  'OpResult.settle',
  'Watch.start',
  'Rados.connect()',
]);

function nameOf(signature) {
  return /^(?:static |readonly |get |set |async )*(?:\[([^\]]+)\]|([A-Za-z_]\w*))/
    .exec(signature)
    ?.slice(1)
    .find((n) => n !== undefined);
}

const files = ['rados', 'client', 'messages', 'types', 'base'].map((folder) => [
  folder,
  [...declarations(join(dist, folder))],
]);

function find(name, folders) {
  const pattern = new RegExp(
    `(?:(/\\*\\*(?:(?!\\*/)[\\s\\S])*\\*/)\\s*)?export (?:declare )?(class|interface|type|const|function) ${name}\\b`,
  );
  for (const [folder, texts] of files) {
    if (!folders.includes(folder)) continue;
    for (const text of texts) {
      const match = pattern.exec(text);
      if (match === null) continue;
      const begin = match.index + match[0].indexOf('export');
      return { kind: match[2], comment: match[1], text: text.slice(begin, endOf(text, begin)) };
    }
  }
  return undefined;
}

function section(name, folder) {
  const found = find(name, [folder]) ?? find(name, ['rados', 'client', 'messages', 'types', 'base']);
  if (found === undefined) throw new Error(`no declaration of ${name}`);
  const lines = [`## ${name}`, '', prose(found.comment), ''];
  const head = found.text
    .slice(0, found.text.indexOf('{'))
    .replace(/^export (declare )?/, '')
    .trim();
  if (found.kind === 'class' || found.kind === 'interface') {
    const bodies = [[name, found.text]];
    if (name === 'Rados') bodies.push([name, find('Rados', ['client']).text]);
    else if (/ extends (\w+)/.test(head)) {
      const base = / extends (\w+)/.exec(head)[1];
      lines.push(`Also has what \`${base}\` has.`, '');
    }
    for (const [owner, text] of bodies) {
      for (const { comment, signature } of members(text.slice(text.indexOf('{') + 1, text.lastIndexOf('}')))) {
        const own = nameOf(signature);
        if (HIDDEN.test(signature) || own === undefined || INTERNAL.has(`${owner}.${own}`)) continue;
        if (own === 'connect' && !signature.startsWith('static')) continue;
        lines.push(item(signature, comment));
      }
    }
  } else lines.push('```ts', found.text.replace(/^export (declare )?/, ''), '```');
  return `${lines
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()}\n`;
}

const door = readFileSync(join(dist, 'rados', 'index.d.ts'), 'utf8');
const exported = [...door.matchAll(/export \{([^}]+)\} from '\.\.?\/(?:(\w+)\/)?/g)]
  .flatMap(([, names, folder]) => names.split(',').map((n) => [n.replace(/\btype\b/, '').trim(), folder ?? 'rados']))
  .filter(([name]) => name !== '');
const first = [
  'Rados',
  'ConnectOptions',
  'IoCtx',
  'IoCtxOptions',
  'OpOptions',
  'RadosError',
  'WriteOperation',
  'ReadOperation',
  'ObjectOperation',
  'OpResult',
  'Striper',
  'Watch',
  'Lock',
  'Cluster',
];
const order = ([name]) => (first.includes(name) ? first.indexOf(name) : first.length);
exported.sort((a, b) => order(a) - order(b) || (a[0] < b[0] ? -1 : 1));

const text = `# sepiola/rados: reference

Made of the sources' docstrings by \`npm run docs:rados\`. Times are milliseconds, sizes and offsets bytes, where nothing else is said. For a
first acquaintance there is the [guide](guide.md).

${exported.map(([name]) => `[${name}](#${name.toLowerCase()})`).join(' · ')}

${exported.map(([name, folder]) => section(name, folder)).join('\n')}`;

if (process.argv.includes('--check')) {
  if (readFileSync(page, 'utf8') !== text) {
    process.stderr.write('docs/rados/api.md is not current: npm run docs:rados\n');
    process.exitCode = 1;
  }
} else writeFileSync(page, text);
