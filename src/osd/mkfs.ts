import type { ObjectStore } from '../store/index.ts';
import { formatMeta, newSuperblock } from './osd-maps.ts';

/** Formats an OSD's store. Fails where something is there already. */
export async function mkfs(
  store: ObjectStore,
  identity: { readonly clusterFsid: string; readonly osdFsid: string; readonly whoami: number },
): Promise<void> {
  await store.mkfs(identity.osdFsid);
  await store.mount();
  await new Promise<void>((resolve) =>
    formatMeta(store, newSuperblock(identity.clusterFsid, identity.osdFsid, identity.whoami), resolve),
  );
  store.setMeta('magic', 'ceph osd volume v026');
  store.setMeta('ceph_fsid', identity.clusterFsid);
  store.setMeta('whoami', String(identity.whoami));
  store.setMeta('ready', 'ready');
  await store.umount();
}
