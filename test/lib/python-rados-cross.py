# Answers questions through python3-rados: a JSON list a line in, an object with "value" or "error" a line out.
import hashlib
import json
import sys

import rados

cluster = rados.Rados(conffile='')
cluster.connect(timeout=20)
io = None
watch = None
heard = []


def on_notify(notify_id, notifier_id, watch_id, data):
    heard.append(data.decode())
    return None


def answer(verb, *args):
    global io, watch
    if verb == 'open':
        io = cluster.open_ioctx(args[0])
        return None
    if verb == 'describe':
        oid = args[0]
        size, _ = io.stat(oid)
        data = io.read(oid, size + 1)
        with rados.ReadOpCtx() as op:
            it, _ = io.get_omap_vals(op, '', '', 1000)
            io.operate_read_op(op, oid)
            omap = {k: v.decode() for k, v in it}
        xattrs = {k: v.decode() for k, v in io.get_xattrs(oid)}
        return {'size': size, 'sha': hashlib.sha1(data).hexdigest(), 'xattrs': xattrs, 'omap': omap}
    if verb == 'write':
        oid, content, xattrs, omap = args
        io.write_full(oid, content.encode())
        for name, value in xattrs.items():
            io.set_xattr(oid, name, value.encode())
        with rados.WriteOpCtx() as op:
            io.set_omap(op, tuple(omap), tuple(v.encode() for v in omap.values()))
            io.operate_write_op(op, oid)
        return None
    if verb == 'list':
        return [o.key for o in io.list_objects()]
    if verb == 'snaps':
        cluster.wait_for_latest_osdmap()
        return [s.name for s in io.list_snaps()]
    if verb == 'readSnap':
        oid, name = args
        io.set_read(io.lookup_snap(name).snap_id)
        try:
            return io.read(oid).decode()
        finally:
            io.set_read(2 ** 64 - 2)
    if verb == 'createSnap':
        io.create_snap(args[0])
        return None
    if verb == 'lock':
        oid, name, cookie, kind = args
        try:
            if kind == 'exclusive':
                io.lock_exclusive(oid, name, cookie)
            else:
                io.lock_shared(oid, name, cookie, 'tag')
            return 0
        except rados.Error as e:
            return abs(e.errno)
    if verb == 'unlock':
        try:
            io.unlock(*args)
            return 0
        except rados.Error as e:
            return abs(e.errno)
    if verb == 'notify':
        answers = []

        def done(completion, result, acked, timed_out):
            answers.append((result, [a[2].decode() for a in acked], timed_out))

        completion = io.aio_notify(args[0], done, args[1], 5000)
        completion.wait_for_complete_and_cb()
        result, acked, _ = answers[0]
        if result < 0:
            raise ValueError('notify: %d' % result)
        return acked
    if verb == 'watch':
        watch = io.watch(args[0], on_notify)
        return None
    if verb == 'heard':
        return heard
    raise ValueError(verb)


for line in sys.stdin:
    try:
        print(json.dumps({'value': answer(*json.loads(line))}), flush=True)
    except Exception as e:
        print(json.dumps({'error': '%s: %s' % (type(e).__name__, e)}), flush=True)
if watch is not None:
    watch.close()
