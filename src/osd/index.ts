export { type ClassMethod, type ClassMethods, ClassRegistry, defaultClasses } from './classes/index.ts';
export { OsdDaemon, type OsdDaemonOptions } from './daemon.ts';
export { mkfs } from './mkfs.ts';
export { SPARE_BYTES } from './options.ts';
export { Osd, type OsdOptions, type OsdState } from './osd.ts';
