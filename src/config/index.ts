export { configAdminCommand, configAdminCommands } from './admin.ts';
export { type ConfFile, confFor, parseConf } from './conf.ts';
export { Config, type ConfigLayer, type ConfigOwner, configLayers } from './config.ts';
export {
  formatOptionValue,
  normalizeOptionName,
  type OptionSpec,
  type OptionType,
  type OptionValue,
  optionSpecs,
  parseOptionValue,
} from './spec.ts';
