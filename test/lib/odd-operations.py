# Operations that no sane client sends; each must be answered, and the OSD must serve on.
import errno
import os

import rados

cluster = rados.Rados(conffile=os.environ['CEPH_CONF'])
cluster.connect(timeout=20)
io = cluster.open_ioctx('p')
io.write_full('o', b'content')


def fails_with(code, fn, *args):
    try:
        fn(*args)
    except rados.Error as e:
        assert e.errno == code, (fn, args, e)
        return
    raise SystemExit('%r%r went through' % (fn, args))


# Length 0 means all there is, for which this buffer has no room.
fails_with(errno.ERANGE, io.read, 'o', 0, 0)
assert io.read('o', 10, 1 << 40) == b''
fails_with(errno.EFBIG, io.write, 'o', b'x', (1 << 63) - 1)
fails_with(errno.EFBIG, io.write, 'o', b'x', 1 << 40)
fails_with(errno.EFBIG, io.trunc, 'o', 1 << 62)
fails_with(errno.ENAMETOOLONG, io.write_full, 'n' * 3000, b'x')
fails_with(errno.ENAMETOOLONG, io.set_xattr, 'o', 'x' * 1000000, b'1')
fails_with(errno.ENODATA, io.get_xattr, 'o', 'nothing')
# Not among osd_class_load_list, so not permitted; a class that is, but is not there yet, is not supported.
fails_with(errno.EPERM, io.execute, 'o', 'no_such_class', 'method', b'')
fails_with(errno.EOPNOTSUPP, io.execute, 'o', 'rgw', 'no_such_method', b'')


def compound(count):
    with rados.WriteOpCtx() as op:
        for _ in range(count):
            op.write(b'y', 0)
        io.operate_write_op(op, 'many')


compound(1000)
try:
    compound(100000)
except rados.Error as e:
    print('a hundred thousand sub-operations:', e)


def zero(offset, length):
    with rados.WriteOpCtx() as op:
        op.zero(length, offset)
        io.operate_write_op(op, 'o')


zero(0, 0)
fails_with(errno.EFBIG, zero, 1 << 30, 1)
zero(3, 2)
assert io.read('o') == b'con\0\0nt', io.read('o')

with rados.WriteOpCtx() as op:
    io.set_omap(op, ('',), (b'empty key',))
    io.operate_write_op(op, 'o')
with rados.WriteOpCtx() as op:
    io.set_omap(op, ('k' * 100000,), (b'v' * 1000000,))
    io.operate_write_op(op, 'o')
with rados.ReadOpCtx() as op:
    it, ret = io.get_omap_vals(op, '', '', 10)
    io.operate_read_op(op, 'o')
    assert [len(k) for k, v in it][-1] == 100000
assert io.read('o') == b'con\0\0nt'
for name in ('o', 'many'):
    io.remove_object(name)
io.close()
cluster.shutdown()
