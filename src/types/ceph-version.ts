/** The release whose programs this project's daemons take the place of. */
export const CEPH_VERSION_SHORT = '16.2.15';
export const CEPH_RELEASE_NAME = 'pacific';
/** What stands where Ceph has the commit it was built from. */
export const CEPH_VERSION_COMMIT = 'sepiola';

/** `ceph version ...`: how daemons tell their version in metadata and to `ceph versions`. Other programs parse its words. */
export const CEPH_VERSION_TEXT = `ceph version ${CEPH_VERSION_SHORT} (${CEPH_VERSION_COMMIT}) ${CEPH_RELEASE_NAME} (stable)`;
