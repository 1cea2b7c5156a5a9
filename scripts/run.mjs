// What ./sepiola runs: brings the checkout to the state in which it can run, then runs the command, all in one process.
const major = Number(process.versions.node.split('.')[0]);
if (major < 20) {
  console.error(`sepiola needs Node.js 20 or newer; this is ${process.version}`);
  process.exit(1);
}
if (!process.env.SEPIOLA_NO_BUILD) (await import('./prepare.mjs')).prepare();
await import('../bin/sepiola.js');
