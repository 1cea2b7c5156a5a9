import { ErrnoError } from '../../base/index.ts';
import type { PgPool } from '../../types/index.ts';

/** Limits of a pool's applications (OSDMonitor.cc). */
const APPLICATIONS_MAX = 4;
const KEYS_MAX = 64;
const LENGTH_MAX = 128;

/** The pool changed, or undefined where nothing changes; and the status line. */
export interface ApplicationChange {
  readonly pool: PgPool | undefined;
  readonly status: string;
}

type Metadata = Map<string, Map<string, string>>;

function copy(pool: PgPool): Metadata {
  return new Map([...pool.applicationMetadata].map(([app, pairs]) => [app, new Map(pairs)]));
}

function sorted(metadata: Metadata): Metadata {
  return new Map([...metadata].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function notEnabled(app: string, poolName: string): string {
  return `application '${app}' is not enabled on pool '${poolName}'`;
}

export function enableApplication(pool: PgPool, poolName: string, app: string, sure: boolean): ApplicationChange {
  if (app === '') throw new ErrnoError('EINVAL', 'application name must be provided');
  if (pool.isTier) throw new ErrnoError('EINVAL', 'application must be enabled on base tier');
  const metadata = copy(pool);
  const exists = metadata.has(app);
  if (!exists && metadata.size > 0 && !sure) {
    throw new ErrnoError(
      'EPERM',
      `Are you SURE? Pool '${poolName}' already has an enabled application; pass --yes-i-really-mean-it to proceed anyway`,
    );
  }
  if (!exists && metadata.size >= APPLICATIONS_MAX) {
    throw new ErrnoError('EINVAL', `too many enabled applications on pool '${poolName}'; max ${APPLICATIONS_MAX}`);
  }
  if (app.length > LENGTH_MAX) {
    throw new ErrnoError('EINVAL', `application name '${app}' too long; max length ${LENGTH_MAX}`);
  }
  const status = `enabled application '${app}' on pool '${poolName}'`;
  if (exists) return { pool: undefined, status };
  metadata.set(app, new Map());
  return { pool: pool.clone({ applicationMetadata: sorted(metadata) }), status };
}

export function disableApplication(pool: PgPool, poolName: string, app: string, sure: boolean): ApplicationChange {
  if (!sure) {
    throw new ErrnoError(
      'EPERM',
      'Are you SURE? Disabling an application within a pool might result in loss of application functionality; pass --yes-i-really-mean-it to proceed anyway',
    );
  }
  const metadata = copy(pool);
  if (!metadata.delete(app)) return { pool: undefined, status: notEnabled(app, poolName) };
  return {
    pool: pool.clone({ applicationMetadata: metadata }),
    status: `disable application '${app}' on pool '${poolName}'`,
  };
}

export function setApplicationKey(
  pool: PgPool,
  poolName: string,
  app: string,
  key: string,
  value: string,
): ApplicationChange {
  if (pool.isTier) throw new ErrnoError('EINVAL', 'application metadata must be set on base tier');
  if (key === 'all') throw new ErrnoError('EINVAL', "key cannot be 'all'");
  if (value === 'all') throw new ErrnoError('EINVAL', "value cannot be 'all'");
  const metadata = copy(pool);
  const pairs = metadata.get(app);
  if (pairs === undefined) throw new ErrnoError('ENOENT', notEnabled(app, poolName));
  if (key === '') throw new ErrnoError('EINVAL', 'key must be provided');
  if (!pairs.has(key) && pairs.size >= KEYS_MAX) {
    throw new ErrnoError('EINVAL', `too many keys set for application '${app}' on pool '${poolName}'; max ${KEYS_MAX}`);
  }
  if (key.length > LENGTH_MAX) throw new ErrnoError('EINVAL', `key '${app}' too long; max length ${LENGTH_MAX}`);
  if (value.length > LENGTH_MAX) {
    throw new ErrnoError('EINVAL', `value '${value}' too long; max length ${LENGTH_MAX}`);
  }
  pairs.set(key, value);
  metadata.set(app, new Map([...pairs].sort(([a], [b]) => (a < b ? -1 : 1))));
  return {
    pool: pool.clone({ applicationMetadata: metadata }),
    status: `set application '${app}' key '${key}' to '${value}' on pool '${poolName}'`,
  };
}

export function removeApplicationKey(pool: PgPool, poolName: string, app: string, key: string): ApplicationChange {
  const metadata = copy(pool);
  const pairs = metadata.get(app);
  if (pairs === undefined) throw new ErrnoError('ENOENT', notEnabled(app, poolName));
  if (!pairs.delete(key)) {
    return { pool: undefined, status: `application '${app}' on pool '${poolName}' does not have key '${key}'` };
  }
  return {
    pool: pool.clone({ applicationMetadata: metadata }),
    status: `removed application '${app}' key '${key}' on pool '${poolName}'`,
  };
}
