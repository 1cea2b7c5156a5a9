import type { IoCtx } from '../../client/index.ts';
import { Writer } from '../../encoding/index.ts';
import { OsdOp, osdFlag, osdOp, osdOpFlag } from '../../messages/index.ts';
import { makeObjectLocator, objectLocator } from '../../types/index.ts';
import { submit } from './session.ts';

/** Has the target's OSD copy an object, of any size it may have, with its attributes and omap. */
export async function copyObject(from: IoCtx, oid: string, to: IoCtx, targetOid: string): Promise<void> {
  const op = new OsdOp(osdOp.COPY_FROM, osdOpFlag.FADVISE_SEQUENTIAL | osdOpFlag.FADVISE_DONTNEED);
  op.setCopyFrom(from.snapRead, 0, 0, osdOpFlag.FADVISE_SEQUENTIAL | osdOpFlag.FADVISE_NOCACHE);
  const w = new Writer();
  w.string(oid);
  objectLocator.encode(w, makeObjectLocator(from.poolId, from.nspace, from.locatorKey));
  op.indata = w.bytes();
  await submit(to, targetOid, [op], osdFlag.WRITE);
}
