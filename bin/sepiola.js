#!/usr/bin/env node
import { statSync } from 'node:fs';

const time = (path) => statSync(new URL(path, import.meta.url), { throwIfNoEntry: false })?.mtimeMs ?? 0;

// The bundle starts several times faster. It is not for whoever compiles without making it anew.
const plain = '../dist/cmd/main.js';
const bundle = '../dist/bundle/main.js';
const { main } = await import(time(bundle) >= time(plain) ? bundle : plain);

process.exitCode = await main(process.argv.slice(2));
