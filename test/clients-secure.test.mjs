import { clientSuite } from './lib/client-suite.mjs';

clientSuite('secure');
