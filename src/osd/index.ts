export { ClassRegistry, defaultClasses } from './classes/index.ts';
export { Pg } from './pg/pg.ts';
