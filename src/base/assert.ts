/** A broken invariant of our own: the daemon must stop with what it knew. Never thrown for input from outside. */
export class InvariantError extends Error {
  readonly context: Record<string, unknown>;

  constructor(message: string, context: Record<string, unknown> = {}) {
    super(`${message} ${describe(context)}`.trimEnd());
    this.name = 'InvariantError';
    this.context = context;
  }
}

function describe(context: Record<string, unknown>): string {
  if (Object.keys(context).length === 0) return '';
  return JSON.stringify(context, (_key, value) => (typeof value === 'bigint' ? value.toString() : value));
}

/** Throws {@link InvariantError} unless `condition` holds. Stays on in production. */
export function invariant(condition: unknown, message: string, context?: Record<string, unknown>): asserts condition {
  if (!condition) throw new InvariantError(message, context);
}

/** Marks a branch that the type system says cannot be reached. */
export function unreachable(value: never, what: string): never {
  throw new InvariantError(`unreachable ${what}`, { value });
}
