import { blob, body, bool, optional, sortedMap, string, u64num } from '../encoding/index.ts';
import { authName, compareText, textMap } from '../types/index.ts';
import { defineMessage } from './message.ts';
import { messageTypeNumber } from './type-numbers.ts';

const options = { version: 1, compat: 1 };

/** Monitor to daemon or client: the options that the cluster's configuration sets for it. */
export const MConfig = defineMessage(messageTypeNumber.CONFIG, body('config', options, { config: textMap }));

/** Asks for the options of an entity, without subscribing. */
export const MGetConfig = defineMessage(
  messageTypeNumber.GET_CONFIG,
  body('get_config', options, { name: authName, host: string, deviceClass: string }),
  { defaults: { host: '', deviceClass: '' } },
);

/** Keys and values below a prefix of the config-key store, to the manager. An incremental has undefined for a removed key. */
export const MKVData = defineMessage(
  messageTypeNumber.KV_DATA,
  body('kv_data', options, {
    version: u64num,
    prefix: string,
    incremental: bool,
    data: sortedMap(string, optional(blob), compareText),
  }),
);
