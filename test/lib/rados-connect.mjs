// Ways to a cluster: what `Rados.connect` makes of options, files, the environment and DNS.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import dns from 'node:dns/promises';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A name server that knows one service record: `target` at `port` for every name asked. */
async function nameServer(port, target) {
  const socket = createSocket('udp4');
  socket.on('message', (query, peer) => {
    const end = query.indexOf(0, 12) + 5;
    const host = Buffer.concat([
      ...target.split('.').map((l) => Buffer.from([l.length, ...Buffer.from(l)])),
      Buffer.from([0]),
    ]);
    const record = Buffer.alloc(12 + 6);
    record.writeUInt16BE(0xc00c, 0); // the name asked for
    record.writeUInt16BE(33, 2); // SRV
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(60, 6);
    record.writeUInt16BE(6 + host.length, 10);
    record.writeUInt16BE(10, 12);
    record.writeUInt16BE(60, 14);
    record.writeUInt16BE(port, 16);
    const header = Buffer.from([query[0], query[1], 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    socket.send(Buffer.concat([header, query.subarray(12, end), record, host]), peer.port, peer.address);
  });
  await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return socket;
}

export async function connectWays({ Rados, RadosError }, cluster, folder) {
  const conf = cluster.env.CEPH_CONF;
  const keyring = /^\s*keyring\s*=\s*(\S+)/m.exec(readFileSync(conf, 'utf8'))?.[1];
  const { stdout } = await cluster.run('ceph', ['auth', 'get-key', 'client.admin'], { timeout_ms: 20_000 });
  const key = stdout.trim();
  const monHost = `[v2:127.0.0.1:${cluster.port},v1:127.0.0.1:${cluster.port + 1}]`;
  const fsid = await connected({ conf });
  const timeout_ms = 20_000;

  async function connected(options) {
    const rados = await Rados.connect({ timeout_ms: 20_000, ...options });
    try {
      assert.ok(rados.isConnected && rados.instanceId > 0n);
      return rados.fsid;
    } finally {
      rados.shutdown();
    }
  }

  assert.equal(await connected({ conf: false, monHost, key }), fsid);
  // The first address has nobody: the next is tried.
  assert.equal(await connected({ conf: false, monHost: ['127.0.0.1:9', `localhost:${cluster.port}`], key }), fsid);
  const keyFile = join(folder, 'keyring');
  writeFileSync(keyFile, `[client.admin]\n\tkey = ${key}\n`, { mode: 0o600 });
  assert.equal(await connected({ conf: false, monHost, keyring: keyFile }), fsid);
  assert.ok(keyring !== undefined);
  process.env.CEPH_ARGS = `--conf ${conf} --id admin --keyring=${keyFile}`;
  try {
    assert.equal(await connected({}), fsid);
  } finally {
    delete process.env.CEPH_ARGS;
  }
  // Sections of monitors, and DNS.
  const sections = join(folder, 'sections.conf');
  writeFileSync(sections, `[global]\nkey = ${key}\n[mon.a]\nmon addr = 127.0.0.1:${cluster.port}\n`);
  assert.equal(await connected({ conf: sections }), fsid);
  const usual = dns.getServers();
  const names = await nameServer(cluster.port, 'localhost');
  try {
    dns.setServers([`127.0.0.1:${names.address().port}`]);
    assert.equal(await connected({ conf: false, key, options: { mon_dns_srv_name: 'ceph-mon_test.example' } }), fsid);
  } finally {
    names.close();
    dns.setServers(usual);
  }
  // And what fails.
  const fails = (options, code) =>
    assert.rejects(Rados.connect({ timeout_ms, ...options }), (error) => {
      assert.ok(error instanceof RadosError, String(error));
      assert.equal(error.code, code);
      return true;
    });
  await fails({ conf: join(folder, 'nothing.conf') }, 'ENOENT');
  await fails({ conf: false, monHost, keyring: join(folder, 'nothing') }, 'ENOENT');
  await fails({ conf: false, monHost, key: 'nonsense!' }, 'EINVAL');
  await fails({ conf: false, monHost, key: 'AQAqzQlr/fW2BhAADM+J5sgXu4aRxuv2qt4l0w==' }, 'EACCES');
  await fails({ conf: false, monHost, key, name: 'client.nobody' }, 'EACCES');
  await fails({ conf: false, monHost, key, name: 'nobody' }, 'EINVAL');
  await fails({ conf: false, monHost: '127.0.0.1:9', key, timeout_ms: 300 }, 'ETIMEDOUT');
  const signal = AbortSignal.timeout(200);
  await assert.rejects(Rados.connect({ conf: false, monHost: '127.0.0.1:9', key, signal }), { name: 'TimeoutError' });
}
