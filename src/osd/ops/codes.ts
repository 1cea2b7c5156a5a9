/** Codes and flags of object operations, by the names that the operations here use; the tables stand with the messages that carry them. */
import { opMode, opType } from '../../messages/index.ts';

export {
  checksumType,
  cmpxattrMode as cmpMode,
  cmpxattrOp as cmpOp,
  osdFlag as opFlag,
  osdOp as opCode,
  osdOpFlag as subOpFlag,
  osdOpName as opName,
  watchOp,
} from '../../messages/index.ts';

export const OP_MODE_RD = opMode.RD;
export const OP_MODE_WR = opMode.WR;
export const OP_MODE_CACHE = opMode.CACHE;
export const OP_TYPE_MASK = opType.MASK;
export const OP_TYPE_PG = opType.PG;
