// The RADOS library on a cluster of the real Ceph that is being thrashed: 3 monitors and 4 OSDs on loopback, killed with SIGKILL and started again
// at random, while the pool's PGs split. Writers know what every object must hold, and compare; an error or a loss ends it with status 1.
//   usage: node scripts/thrash.mjs [--seconds N] [--osds N] [--port N] [--seed N] [--mode crc|secure]
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sleep } from '../test/lib/cluster.mjs';
import { cephVersion, RealCeph } from '../test/lib/real-ceph.mjs';
import { VerifyingWriter } from '../test/lib/verifying-writer.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const argument = (name, other) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? other : process.argv[at + 1];
};
const SECONDS = Number(argument('--seconds', 300));
const OSDS = Number(argument('--osds', 4));
const MONS = ['mon.a', 'mon.b', 'mon.c'];
const SEED = Number(argument('--seed', Date.now() % 1_000_000));
const MODE = argument('--mode', 'crc');
const WRITERS = 12;
/** An operation that takes longer than this counts as lost. */
const STUCK_MS = 120_000;
const POOL = 'thrash';
const PG_NUM = [8, 16, 32, 64];

const api = await import(join(root, 'dist', 'lib', 'rados.js'));

/** Numbers in 0..1 that are the same for the same seed. */
function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let x = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    return ((x ^ (x >>> 15)) >>> 0) / 2 ** 32;
  };
}

const begin = performance.now();
const say = (text) =>
  process.stdout.write(`${((performance.now() - begin) / 1000).toFixed(1).padStart(6)} s  ${text}\n`);
const port = argument('--port');
say(`${cephVersion()}; seed ${SEED}, ${SECONDS} s, mode ${MODE}`);
const ceph = await RealCeph.start({
  osds: OSDS,
  mons: MONS.length,
  ...(port === undefined ? {} : { port: Number(port) }),
  options: {
    osd_pool_default_pg_autoscale_mode: 'off',
    mon_osd_down_out_interval: 3600,
    mon_max_pg_per_osd: 1000,
  },
});
say(`${MONS.length} monitors and ${OSDS} OSDs are up`);

let failed = 0;
const fail = (text) => {
  failed++;
  say(`FAILED: ${text}`);
};
const counts = { osdKills: 0, monKills: 0, mgrKills: 0 };
let pgNum = PG_NUM[0];
let running = true;

/** Kills one daemon for some seconds, and starts it again. */
async function outage(name, dice, longest_s) {
  ceph.kill(name);
  say(`killed ${name}`);
  await sleep(1000 + dice() * (longest_s - 1) * 1000);
  // Its port and its lock may still be in use for a moment.
  for (let tries = 1; ; tries++) {
    try {
      await ceph.restart(name);
      break;
    } catch (error) {
      if (tries === 5) throw error;
      await sleep(500);
    }
  }
  say(`started ${name}`);
}

/** Waits for what a daemon that started again must do before others may go: a cluster of which more is gone than it can bear serves nobody. */
async function until(what, isSo) {
  const end = performance.now() + 90_000;
  while (!(await isSo().catch(() => false))) {
    if (performance.now() > end) throw new Error(`${what}: not so after 90 s`);
    await sleep(250);
  }
}

async function status(rados) {
  const { result, data } = await rados.monCommand({ prefix: 'status', format: 'json' });
  if (result < 0) throw new Error(`status: ${result}`);
  return JSON.parse(new TextDecoder().decode(data));
}

/** Epoch since which each OSD is up; 0: it is down. */
const upSince = (rados) =>
  Array.from({ length: OSDS }, (_, osd) => (rados.osdMap.isUp(osd) ? rados.osdMap.osdInfo[osd].upFrom : 0));

/** One OSD or two at a time: with two of four gone, some PGs have nobody to write to until one is back. */
async function thrashOsds(dice, rados) {
  const names = Array.from({ length: OSDS }, (_, i) => `osd.${i}`);
  while (running) {
    await sleep(1000 + dice() * 5000);
    if (!running) return;
    const first = names[Math.floor(dice() * OSDS)];
    const others = names.filter((name) => name !== first);
    const victims = dice() < 0.2 ? [first, others[Math.floor(dice() * others.length)]] : [first];
    counts.osdKills += victims.length;
    await rados.waitForLatestMap();
    const before = upSince(rados);
    await Promise.all(victims.map((name) => outage(name, dice, 10)));
    // A map may have them up that does not know yet that they were gone.
    await until('all OSDs up', async () => {
      await rados.waitForLatestMap();
      const now = upSince(rados);
      return now.every((epoch) => epoch > 0) && victims.every((name) => now[name.slice(4)] > before[name.slice(4)]);
    });
  }
}

async function thrashMonitors(dice, rados) {
  while (running) {
    await sleep(2000 + dice() * 6000);
    if (!running) return;
    if (dice() < 0.1) {
      counts.mgrKills++;
      await outage('mgr.x', dice, 5);
    } else {
      counts.monKills++;
      await outage(MONS[Math.floor(dice() * MONS.length)], dice, 10);
      await until('all monitors in quorum', async () => (await status(rados)).quorum.length === MONS.length);
    }
  }
}

async function splitPgs(rados) {
  for (const next of PG_NUM.slice(1)) {
    await sleep((SECONDS * 1000) / (PG_NUM.length + 1));
    if (!running) return;
    const { result, text } = await rados.monCommand({
      prefix: 'osd pool set',
      pool: POOL,
      var: 'pg_num',
      val: String(next),
    });
    if (result < 0) fail(`osd pool set pg_num ${next}: ${result} ${text}`);
    else {
      pgNum = next;
      say(`pg_num ${next}`);
    }
  }
}

/** Notifications are heard, whatever happens in between: at least one of those since the last that was acknowledged. */
async function watchAndNotify(io, rados) {
  let heard = 0;
  let reconnects = 0;
  await io.writeFull('watched', new Uint8Array(1));
  const watch = await io.watch(
    'watched',
    (notify) => {
      heard++;
      notify.ack();
    },
    { onReconnect: () => reconnects++ },
  );
  let sent = 0;
  let acked = 0;
  while (running) {
    await sleep(1000);
    sent++;
    const { acks } = await io.notify('watched', new Uint8Array(8), 10_000);
    if (acks.some(({ gid }) => gid === rados.instanceId)) acked++;
  }
  say(`${sent} notifications sent, ${acked} acknowledged, ${heard} heard; the watch was made anew ${reconnects} times`);
  if (heard < acked) fail(`${acked} notifications acknowledged, only ${heard} heard`);
  if (acked === 0) fail('no notification was acknowledged');
  await watch.unwatch();
}

/** Objects that are there all the time are listed, also while PGs split. */
async function listAll(io, writers) {
  let passes = 0;
  while (running) {
    await sleep(3000);
    const before = writers.flatMap((writer) => writer.permanent());
    const found = new Set();
    for await (const { oid } of io.listObjects()) found.add(oid);
    const missing = before.filter((oid) => !found.has(oid));
    if (missing.length > 0) fail(`${missing.length} objects not listed, such as ${missing[0]}`);
    passes++;
  }
  say(`${passes} listings`);
}

try {
  const options = { ms_client_mode: MODE, ms_mon_client_mode: MODE };
  const rados = await api.Rados.connect({ conf: ceph.env.CEPH_CONF, timeout_ms: 60_000, options });
  await rados.createPool(POOL, { pgNum: PG_NUM[0], size: 3, application: 'rados' });
  const io = await rados.openPool(POOL);
  const writers = Array.from(
    { length: WRITERS },
    (_, i) => new VerifyingWriter(api, io, `w${i}`, random(SEED + i + 1), STUCK_MS),
  );
  const end = performance.now() + SECONDS * 1000;
  const guarded = (what, promise) => promise.catch((error) => fail(`${what}: ${error.stack ?? error}`));
  let lastCount = 0;
  const progress = setInterval(() => {
    const count = writers.reduce((n, w) => n + w.operations, 0);
    say(`${count} operations (${Math.round((count - lastCount) / 20)}/s)`);
    lastCount = count;
  }, 20_000);
  const work = Promise.all(
    writers.map((w) =>
      guarded(
        w.prefix,
        w.run(() => performance.now() < end && failed === 0),
      ),
    ),
  );
  const around = [
    guarded('OSDs', thrashOsds(random(SEED ^ 0x5a5a), rados)),
    guarded('monitors', thrashMonitors(random(SEED ^ 0xa5a5), rados)),
    guarded('PGs', splitPgs(rados)),
    guarded('watch', watchAndNotify(io, rados)),
    guarded('listing', listAll(io, writers)),
  ];
  await work;
  running = false;
  clearInterval(progress);
  await Promise.all(around);
  say('all daemons run again; comparing all that was written');
  await Promise.all(writers.map((w) => guarded(`${w.prefix} at the end`, w.verifyAll())));
  // Ceph's own program reads the same.
  for (const writer of writers.slice(0, 4)) {
    const { oid, data } = writer.sample();
    const { code, stdout } = await ceph.run('rados', ['-p', POOL, 'get', oid, '-'], { encoding: 'buffer' });
    const sha = (bytes) => createHash('sha1').update(bytes).digest('hex');
    if (code !== 0 || sha(stdout) !== sha(data)) fail(`rados get ${oid} differs`);
  }
  const { data } = await rados.monCommand({ prefix: 'osd pool get', pool: POOL, var: 'pg_num', format: 'json' });
  if (JSON.parse(new TextDecoder().decode(data)).pg_num !== pgNum) say('PGs still split');
  const sum = (of) => writers.reduce((n, w) => n + of(w), 0);
  const kinds = {};
  for (const w of writers) for (const [kind, n] of Object.entries(w.kinds)) kinds[kind] = (kinds[kind] ?? 0) + n;
  say(
    `${sum((w) => w.operations)} operations, ${sum((w) => w.compared)} reads compared, ${sum((w) => w.objects())} objects; ` +
      `killed: ${counts.osdKills} OSDs, ${counts.monKills} monitors, ${counts.mgrKills} managers; pg_num ${PG_NUM[0]} to ${pgNum}; ` +
      `longest operation ${(Math.max(...writers.map((w) => w.longest_ms)) / 1000).toFixed(1)} s`,
  );
  say(`by kind: ${JSON.stringify(kinds)}`);
  rados.shutdown();
} catch (error) {
  fail(error.stack ?? String(error));
} finally {
  running = false;
  await ceph.end();
}
say(failed === 0 ? 'no error, nothing lost' : `${failed} failures`);
process.exit(failed === 0 ? 0 : 1);
