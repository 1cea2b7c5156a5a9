# Writes objects with many operations in flight, remembers what was acknowledged, and compares everything at the end.
#   SECONDS  how long to write      POOL  where
#   KEEP     leave the objects and a list of their contents' seeds      VERIFY  only compare with such a list
import hashlib
import os
import random
import sys
import tempfile
import threading
import time

import rados

SECONDS = float(os.environ['SECONDS'])
LIST = os.path.join(tempfile.gettempdir(), 'sepiola-kept-' + hashlib.sha1(os.environ['CEPH_CONF'].encode()).hexdigest())
cluster = rados.Rados(conffile=os.environ['CEPH_CONF'])
cluster.connect(timeout=30)
io = cluster.open_ioctx(os.environ['POOL'])


def content(name, version):
    seed = hashlib.sha256(('%s %d' % (name, version)).encode()).digest()
    return (seed * 600)[:1 + seed[0] * 64 + seed[1]]


def verify(expected):
    wrong = 0
    for name, versions in sorted(expected.items()):
        data = io.read(name, 1 << 20)
        # A write that was not acknowledged may have happened or not; one that was must be there, or a later one.
        if not any(data == content(name, v) for v in versions):
            print('%s holds neither of versions %s (%d bytes)' % (name, versions, len(data)))
            wrong += 1
    return wrong


if os.environ.get('VERIFY'):
    expected = {}
    for line in open(LIST):
        name, version = line.split()
        expected[name] = [int(version)]
    wrong = verify(expected)
    print('%d objects compared, %d wrong' % (len(expected), wrong))
    sys.exit(1 if wrong else 0)

lock = threading.Condition()
acked = {}
pending = {}
failures = []
writes = 0
until = time.time() + SECONDS


def start(name):
    version = acked.get(name, 0) + 1
    pending[name] = version

    def done(completion):
        with lock:
            if completion.get_return_value() < 0:
                failures.append((name, completion.get_return_value()))
            else:
                acked[name] = version
            del pending[name]
            lock.notify()

    io.aio_write_full(name, content(name, version), oncomplete=done)


prefix = 'kept' if os.environ.get('KEEP') else 'obj%d' % os.getpid()
names = ['%s.%d' % (prefix, i) for i in range(300)]
with lock:
    while time.time() < until:
        while len(pending) < 16:
            name = random.choice(names)
            if name not in pending:
                start(name)
                writes += 1
        lock.wait(1)
    deadline = time.time() + 90
    while pending and time.time() < deadline:
        lock.wait(1)
if pending:
    print('%d writes were never answered, e.g. %s' % (len(pending), list(pending)[:3]))
    sys.exit(1)
if failures:
    print('%d writes failed, e.g. %s' % (len(failures), failures[:3]))
    sys.exit(1)
wrong = verify({name: [version] for name, version in acked.items()})
if wrong:
    print('%d of %d objects are wrong' % (wrong, len(acked)))
    sys.exit(1)
if os.environ.get('KEEP'):
    with open(LIST, 'w') as f:
        for name, version in acked.items():
            f.write('%s %d\n' % (name, version))
else:
    for name in acked:
        io.remove_object(name)
print('%d writes acknowledged, all read back' % writes)
io.close()
cluster.shutdown()
