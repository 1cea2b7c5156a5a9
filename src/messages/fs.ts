import { blob, body, since, string, u32 } from '../encoding/index.ts';
import { uuid } from '../types/index.ts';
import { rest } from './common.ts';
import { defineMessage } from './message.ts';
import { messageTypeNumber } from './type-numbers.ts';

/** `map` is an encoded FSMap. */
export const MFSMap = defineMessage(
  messageTypeNumber.FS_MAP,
  body('fsmap', { version: 1, compat: 1 }, { epoch: u32, map: rest }),
);

/** `map` is an encoded FSMapUser: names of file systems, for clients. */
export const MFSMapUser = defineMessage(
  messageTypeNumber.FS_MAP_USER,
  body('fsmap.user', { version: 1, compat: 1 }, { epoch: u32, map: rest }),
);

/** `map` is an encoded MDSMap. */
export const MMDSMap = defineMessage(
  messageTypeNumber.MDS_MAP,
  body('mdsmap', { version: 2, compat: 1 }, { fsid: uuid, epoch: u32, map: blob, fsName: since(2, string, () => '') }),
  { defaults: { fsName: '' } },
);
