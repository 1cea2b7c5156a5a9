/**
 * Object classes: methods that run beside the object. A call to one that Ceph has and this has not is answered
 * EOPNOTSUPP; to one that is not on the list of classes to load, EPERM.
 */
import { errno } from '../../base/index.ts';
import { DecodeError } from '../../encoding/index.ts';
import type { OpContext } from '../ops/context.ts';
import { helloClass } from './hello.ts';
import { lockClass } from './lock.ts';
import { logClass } from './log.ts';
import type { ClassAnswer, ClassMethod, ClassMethods } from './method.ts';
import { numopsClass } from './numops.ts';
import { refcountClass } from './refcount.ts';
import { timeindexClass } from './timeindex.ts';
import { versionClass } from './version.ts';

export type { ClassAnswer, ClassMethod, ClassMethods } from './method.ts';

/** What osd_class_load_list is where nobody set it. */
const LOAD_LIST =
  'cephfs hello journal lock log numops otp rbd refcount rgw rgw_gc timeindex user version cas cmpomap queue 2pc_queue fifo';

export class ClassRegistry {
  readonly #classes = new Map<string, ReadonlyMap<string, ClassMethod>>();
  readonly #loadable: ReadonlySet<string>;

  /** `loadList` is the option osd_class_load_list: names with spaces between, or `*`. */
  constructor(loadList = LOAD_LIST) {
    this.#loadable = new Set(loadList.split(/\s+/));
  }

  register(name: string, methods: ClassMethods): void {
    this.#classes.set(name, new Map(Object.entries(methods)));
  }

  /** The method, or the negative errno to answer. */
  find(cls: string, method: string): ClassMethod | number {
    if (!this.#loadable.has('*') && !this.#loadable.has(cls)) return -errno.EPERM;
    return this.#classes.get(cls)?.get(method) ?? -errno.EOPNOTSUPP;
  }

  names(): string[] {
    return [...this.#classes.keys()].sort();
  }

  call(ctx: OpContext, cls: string, method: string, input: Uint8Array): ClassAnswer {
    const m = this.find(cls, method);
    if (typeof m === 'number') return m;
    const { reads, writes } = ctx;
    if (m.write) ctx.userModify = true;
    let answer: ClassAnswer;
    try {
      answer = m.run(ctx, input);
    } catch (error) {
      if (error instanceof DecodeError) return -errno.EINVAL;
      throw error;
    }
    if ((ctx.reads > reads && !m.read) || (ctx.writes > writes && !m.write)) return -errno.EIO;
    return answer;
  }
}

export function defaultClasses(loadList?: string): ClassRegistry {
  const registry = new ClassRegistry(loadList);
  registry.register('hello', helloClass);
  registry.register('lock', lockClass);
  registry.register('log', logClass);
  registry.register('numops', numopsClass);
  registry.register('refcount', refcountClass);
  registry.register('timeindex', timeindexClass);
  registry.register('version', versionClass);
  return registry;
}
