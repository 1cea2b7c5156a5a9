// Two messengers over loopback in two processes: 4 KiB messages echoed at 16 in flight, 4 KiB streamed, 4 MiB streamed; crc and secure.
// Prints messages per second and, for each side, CPU microseconds per message in this program and in the system.
//   usage: node bench/msgr.mjs [DIST=dist] [SECONDS=2]
import { fork } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const isServer = process.argv[2] === '--server';
const dist = resolve(root, (isServer ? process.argv[3] : process.argv[2]) ?? 'dist');
const seconds = Number(process.argv[3] ?? 2) || 2;
const load = (path) => import(pathToFileURL(join(dist, path)).href);

const { Messenger, clientPolicies, policies } = await load('msgr/index.js');
const { systemClock, systemEntropy, tcpNetwork, installNativeCrc32c } = await load('runtime/index.js');
const { EntityAddrVec } = await load('types/index.js');
const { testAuthClient, testAuthServer } = await load('msgr/testing/none-auth.js');
await installNativeCrc32c();

const base = { network: tcpNetwork, clock: systemClock, entropy: systemEntropy };
const NONE = new Uint8Array(0);
const make = (tid, front, data) => ({
  type: 42,
  version: 8,
  compatVersion: 1,
  priority: 127,
  tid,
  front,
  middle: NONE,
  data,
  dataOffset: 0,
});

if (isServer) {
  const server = new Messenger({
    ...base,
    name: { type: 4, num: 0 },
    policies: { default: policies.statelessServer(), byType: new Map() },
    authServer: testAuthServer(),
  });
  const reply = new Uint8Array(180);
  let count = 0;
  server.addDispatcher({
    handleMessage(m) {
      count++;
      // Type 42 asks for an answer, 43 does not, 44 ends a stream.
      if (m.type !== 43) m.connection.send(make(m.tid, reply, m.type === 42 ? m.data : []));
      m.release();
    },
  });
  const addrs = await server.bind(EntityAddrVec.parse('v2:127.0.0.1:0'));
  let cpu = process.cpuUsage();
  process.on('message', (what) => {
    if (what === 'exit') process.exit(0);
    const used = process.cpuUsage(cpu);
    process.send({ cpu: used, count, rss: process.memoryUsage().rss });
    cpu = process.cpuUsage();
    count = 0;
  });
  process.send({ addrs: addrs.toString() });
} else {
  const child = fork(fileURLToPath(import.meta.url), ['--server', dist], { execArgv: process.execArgv });
  const next = () => new Promise((done) => child.once('message', done));
  const { addrs } = await next();
  const measure = async (label, isSecure, length, depth, streamed) => {
    const client = new Messenger({
      ...base,
      name: { type: 8, num: 1 },
      policies: clientPolicies(),
      authClient: testAuthClient(isSecure),
    });
    const front = new Uint8Array(220);
    const data = [new Uint8Array(length)];
    let tid = 0;
    let completed = 0;
    let finish;
    let isOver = false;
    const burst = streamed ? Math.max(1, Math.min(64, Math.floor((1 << 20) / length))) : 1;
    const sendOne = () => {
      if (streamed) {
        for (let i = 1; i < burst; i++) con.send({ ...make(++tid, front, data), type: 43 });
        con.send({ ...make(++tid, front, data), type: 44 });
      } else con.send(make(++tid, front, data));
    };
    client.addDispatcher({
      handleMessage(m) {
        completed += burst;
        m.release();
        if (isOver) finish();
        else sendOne();
      },
    });
    const con = client.connect(4, EntityAddrVec.parse(addrs));
    for (let i = 0; i < depth; i++) sendOne();
    await new Promise((done) => setTimeout(done, 300));
    child.send('stats');
    await next();
    completed = 0;
    const cpu = process.cpuUsage();
    const start = process.hrtime.bigint();
    await new Promise((done) => setTimeout(done, seconds * 1000));
    const count = completed;
    const elapsed = Number(process.hrtime.bigint() - start) / 1e9;
    const own = process.cpuUsage(cpu);
    child.send('stats');
    const other = await next();
    const done = new Promise((resolve) => {
      finish = resolve;
    });
    isOver = true;
    await done;
    client.shutdown();
    const rate = count / elapsed;
    const per = (us) => (us / count).toFixed(1).padStart(6);
    const both = (cpu) => `${per(cpu.user)} + ${per(cpu.system)} us`;
    console.log(
      `${label.padEnd(30)} ${rate.toFixed(0).padStart(7)}/s ${((rate * length) / 1e6).toFixed(0).padStart(5)} MB/s  client ${both(own)}  server ${both(other.cpu)}  rss ${(other.rss / 1e6).toFixed(0)} MB`,
    );
  };
  for (const isSecure of [false, true]) {
    const mode = isSecure ? 'secure' : 'crc';
    await measure(`${mode}: 4 KiB echo, 1 in flight`, isSecure, 4096, 1, false);
    await measure(`${mode}: 4 KiB echo, 16 in flight`, isSecure, 4096, 16, false);
    await measure(`${mode}: 4 KiB stream`, isSecure, 4096, 4, true);
    await measure(`${mode}: 64 KiB stream`, isSecure, 65536, 4, true);
    await measure(`${mode}: 4 MiB stream`, isSecure, 4 << 20, 8, true);
  }
  child.send('exit');
}
