# What python3-rados' users do, against the cluster of CEPH_CONF. Exits non-zero at the first surprise.
import json
import os
import struct
import threading

import rados

cluster = rados.Rados(conffile=os.environ['CEPH_CONF'])
cluster.connect(timeout=20)
assert len(cluster.get_fsid()) == 36
stats = cluster.get_cluster_stats()
assert stats['kb'] > 0, stats
cluster.create_pool('py')
assert cluster.pool_exists('py')
assert 'py' in cluster.list_pools()
ret, out, err = cluster.mon_command(json.dumps({'prefix': 'osd pool get', 'pool': 'py', 'var': 'size', 'format': 'json'}), b'')
assert ret == 0 and json.loads(out)['size'] == 3, (ret, out, err)
ret, out, err = cluster.mon_command(json.dumps({'prefix': 'no such command'}), b'')
assert ret == -22, (ret, err)

io = cluster.open_ioctx('py')
io.write_full('a', b'hello')
assert io.read('a') == b'hello'
io.write('a', b'HE', 0)
io.append('a', b' world')
assert io.read('a') == b'HEllo world'
assert io.read('a', 3, 2) == b'llo'
assert io.stat('a')[0] == 11
io.trunc('a', 4)
assert io.read('a') == b'HEll'
io.set_xattr('a', 'x', b'1')
io.set_xattr('a', 'y', b'\x00\xff')
assert io.get_xattr('a', 'y') == b'\x00\xff'
assert dict(io.get_xattrs('a')) == {'x': b'1', 'y': b'\x00\xff'}
io.rm_xattr('a', 'x')
try:
    io.get_xattr('a', 'x')
    raise SystemExit('a removed xattr was found')
except rados.NoData:
    pass
try:
    io.read('missing')
    raise SystemExit('a missing object was read')
except rados.ObjectNotFound:
    pass

keys = tuple('k%03d' % i for i in range(50))
values = tuple(b'v%d' % i for i in range(50))
with rados.WriteOpCtx() as op:
    io.set_omap(op, keys, values)
    op.new(rados.LIBRADOS_CREATE_IDEMPOTENT)
    io.operate_write_op(op, 'o')
with rados.ReadOpCtx() as op:
    it, ret = io.get_omap_vals(op, '', '', 100)
    io.operate_read_op(op, 'o')
    assert list(it) == list(zip(keys, values))
with rados.ReadOpCtx() as op:
    it, ret = io.get_omap_vals(op, 'k010', 'k01', 3)
    io.operate_read_op(op, 'o')
    assert [k for k, v in it] == ['k011', 'k012', 'k013']
with rados.ReadOpCtx() as op:
    it, ret = io.get_omap_vals_by_keys(op, ('k001', 'nope', 'k049'))
    io.operate_read_op(op, 'o')
    assert dict(it) == {'k001': b'v1', 'k049': b'v49'}
with rados.WriteOpCtx() as op:
    io.remove_omap_keys(op, ('k000', 'k001'))
    io.operate_write_op(op, 'o')
with rados.WriteOpCtx() as op:
    op.new(rados.LIBRADOS_CREATE_EXCLUSIVE)
    try:
        io.operate_write_op(op, 'o')
        raise SystemExit('an exclusive create of an object that is there went through')
    except rados.ObjectExists:
        pass

done = threading.Event()
left = [200]
lock = threading.Lock()


def complete(completion):
    with lock:
        left[0] -= 1
        if left[0] == 0:
            done.set()


writes = [io.aio_write_full('aio%d' % i, b'%d' % i * 100, oncomplete=complete) for i in range(200)]
assert done.wait(60), 'aio writes did not complete'
assert all(w.get_return_value() == 0 for w in writes)
for i in range(200):
    assert io.read('aio%d' % i) == b'%d' % i * 100
assert len([o for o in io.list_objects() if o.key.startswith('aio')]) == 200

io.set_namespace('ns')
io.write_full('a', b'other')
assert io.read('a') == b'other'
assert [o.key for o in io.list_objects()] == ['a']
io.set_namespace('')
assert io.read('a') == b'HEll'

# The binding hands length and offset over in the other order.
with rados.WriteOpCtx() as op:
    op.zero(1, 2)
    io.operate_write_op(op, 'a')
assert io.read('a') == b'HE\0l'
# Ceph 16.2.15's OSDs abort on a zero of length 0.
with rados.WriteOpCtx() as op:
    op.zero(0, 0)
    io.operate_write_op(op, 'a')
assert io.read('a') == b'HE\0l'
assert io.cmpext('a', b'HE', 0) == 0

# Object classes, their input and output in Ceph's encoding.
def text(s):
    return struct.pack('<I', len(s)) + s.encode()


def struct1(body):
    return struct.pack('<BBI', 1, 1, len(body)) + body


assert io.execute('greeted', 'hello', 'record_hello', b'Ann')[0] == 0
assert io.execute('greeted', 'hello', 'replay', b'')[1] == b'Hello, Ann!'
for step in ('10', '2.5', '-1e3'):
    io.execute('sums', 'numops', 'add', text('total') + text(step))
with rados.ReadOpCtx() as op:
    values, _ = io.get_omap_vals_by_keys(op, ('total',))
    io.operate_read_op(op, 'sums')
    assert list(values) == [('total', b'-987.5')], list(values)
version = struct1(struct.pack('<Q', 5) + text('tag'))
io.execute('versioned', 'version', 'set', struct1(version))
io.execute('versioned', 'version', 'inc', struct1(version + struct.pack('<I', 0)))
assert io.execute('versioned', 'version', 'read', b'')[1] == struct1(struct1(struct.pack('<Q', 6) + text('tag')))
io.execute('versioned', 'refcount', 'get', struct1(text('one') + b'\0'))
io.execute('versioned', 'refcount', 'put', struct1(text('one') + b'\0'))
try:
    io.stat('versioned')
    raise AssertionError('it went with its last reference')
except rados.ObjectNotFound:
    pass
for name in ('greeted', 'sums'):
    io.remove_object(name)
io.remove_object('a')
io.close()
cluster.delete_pool('py')
assert not cluster.pool_exists('py')
cluster.shutdown()
print('all good')
