/**
 * Object classes: methods that run beside the object. The registry knows those that are there; a call to any other is answered EOPNOTSUPP.
 */
import { errno } from '../../base/index.ts';
import { DecodeError } from '../../encoding/index.ts';
import type { OpContext } from '../ops/context.ts';

/** A method: reads and changes the object through the context; returns its answer, or a negative errno. */
export interface ClassMethod {
  readonly read: boolean;
  readonly write: boolean;
  run(ctx: OpContext, input: Uint8Array): Uint8Array | number;
}

export type ClassMethods = Readonly<Record<string, ClassMethod>>;

export class ClassRegistry {
  readonly #classes = new Map<string, ReadonlyMap<string, ClassMethod>>();

  register(name: string, methods: ClassMethods): void {
    this.#classes.set(name, new Map(Object.entries(methods)));
  }

  lookup(cls: string, method: string): ClassMethod | undefined {
    return this.#classes.get(cls)?.get(method);
  }

  names(): string[] {
    return [...this.#classes.keys()].sort();
  }

  call(ctx: OpContext, cls: string, method: string, input: Uint8Array): Uint8Array | number {
    const m = this.lookup(cls, method);
    if (m === undefined) return -errno.EOPNOTSUPP;
    const { reads, writes } = ctx;
    if (m.write) ctx.userModify = true;
    let answer: Uint8Array | number;
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

export function defaultClasses(): ClassRegistry {
  return new ClassRegistry();
}
