import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { cachedDataVersionTag } from 'node:v8';
import { runInThisContext, Script } from 'node:vm';
import { threadId } from 'node:worker_threads';

/*
 * Loads the package's bundle with what V8 made of it the last time. Most of what the start of a cluster costs is that a thousand functions are parsed and
 * compiled when they are first called; kept, that is a file read. The engine keeps code of scripts only, not of ES modules, so the bundle is CommonJS inside, and
 * `scripts/bundle.mjs` makes it so that any `require` loads it too: that is the way wherever this one is not open.
 *
 * A file of the cache is for one source, by its hash, and for one engine with its flags, by V8's own tag (which V8 checks again). It is written whole beside
 * the bundle or not at all: whoever may write there may change the bundle itself.
 *
 *     32 bytes  sha256 of the source
 *     32 bytes  sha256 of the rest
 *     rest      V8's data
 */

const HASH_LENGTH = 32;
/** Files kept of one source: more versions and flags of Node than anybody uses at a time. */
const FILES_MAX = 4;
const FOLDER = '.code-cache';

type Exports = Record<string, unknown>;
type Factory = (
  exports: Exports,
  require: (name: string) => unknown,
  module: { exports: Exports },
  url: string,
) => void;

interface Loaded {
  readonly path: string;
  readonly script: Script;
  readonly sourceHash: Buffer;
  readonly module: { exports: Exports };
  /** What V8 had from the cache. */
  readonly isCached: boolean;
}

/** What was loaded here, by path. */
const loaded = new Map<string, Loaded>();

const sha256 = (bytes: string | Uint8Array): Buffer =>
  createHash('sha256')
    .update(bytes as string, 'latin1')
    .digest();

const cacheFile = (path: string): string =>
  join(dirname(path), FOLDER, `${basename(path)}.${process.version}.${cachedDataVersionTag().toString(16)}`);

function readCache(path: string, sourceHash: Buffer): Buffer | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(cacheFile(path));
  } catch {
    return undefined;
  }
  const data = bytes.subarray(2 * HASH_LENGTH);
  if (!bytes.subarray(0, HASH_LENGTH).equals(sourceHash)) return undefined;
  return bytes.subarray(HASH_LENGTH, 2 * HASH_LENGTH).equals(sha256(data)) ? data : undefined;
}

function evaluate(path: string): Exports {
  const known = loaded.get(path);
  if (known !== undefined) return known.module.exports;
  // ASCII, as the bundler writes it.
  const source = readFileSync(path, 'latin1');
  const sourceHash = sha256(source);
  const cachedData = readCache(path, sourceHash);
  const script = new Script(`(function (exports, require, module, __url) {${source}\n})`, {
    filename: path,
    ...(cachedData === undefined ? {} : { cachedData }),
  });
  const module = { exports: {} };
  const isCached = cachedData !== undefined && script.cachedDataRejected === false;
  loaded.set(path, { path, script, sourceHash, module, isCached });
  const outside = createRequire(path);
  const require = (name: string): unknown => {
    if (!name.startsWith('./')) return outside(name);
    const target = join(dirname(path), name);
    return target === own ? self : evaluate(target);
  };
  (script.runInThisContext() as Factory)(module.exports, require, module, pathToFileURL(path).href);
  return module.exports;
}

/** Whether code that V8 compiles by itself runs where this does: a test runner may have its own globals. */
function isMainContext(): boolean {
  return runInThisContext('globalThis') === globalThis;
}

/** Exports of `name`, a file of the bundle beside the module at `url`. */
export function loadBundle(url: string, name: string): unknown {
  if (!isMainContext()) return createRequire(url)(`./${name}`);
  return evaluate(join(dirname(fileURLToPath(url)), name));
}

/** Of what was loaded here, by file name: whether its code was there from an earlier time. */
export function bundleState(): Map<string, boolean> {
  return new Map([...loaded.values()].map(({ path, isCached }) => [basename(path), isCached]));
}

/**
 * Keeps what V8 has compiled of the bundle until now, where nothing fit was kept yet: for the process that starts next. Takes some tens of ms, once. Does nothing, and says
 * nothing, where the bundle's folder cannot be written.
 */
export function keepCompiled(): void {
  for (const { path, script, sourceHash, isCached } of loaded.values()) {
    const file = cacheFile(path);
    // Another process of the same start may have been faster.
    if (isCached || readCache(path, sourceHash) !== undefined) continue;
    try {
      mkdirSync(dirname(file), { recursive: true });
    } catch {
      return;
    }
    const data = script.createCachedData();
    const half = `${file}.${process.pid}.${threadId}`;
    try {
      writeFileSync(half, Buffer.concat([sourceHash, sha256(data), data]));
      renameSync(half, file);
      prune(dirname(file));
    } catch {
      rmSync(half, { force: true });
    }
  }
}

/** Removes what is of sources that are gone, and the oldest where one has more than it may. */
function prune(folder: string): void {
  const sources = new Set(readdirSync(dirname(folder)));
  const kept = new Map<string, number>();
  const files = readdirSync(folder).map((name) => ({ name, time: statSync(join(folder, name)).mtimeMs }));
  for (const { name } of files.sort((a, b) => b.time - a.time)) {
    const source = name.slice(0, name.indexOf('.cjs') + 4);
    const count = (kept.get(source) ?? 0) + 1;
    kept.set(source, count);
    if (!sources.has(source) || count > FILES_MAX) rmSync(join(folder, name), { force: true });
  }
}

/** This module itself, which the bundle's files refer to and do not contain: what is loaded is known in one place. */
const own = typeof __filename === 'string' ? __filename : '';
const self = { loadBundle, bundleState, keepCompiled };
