// Shared with the manager and the OSD, whose commands have the same form.
export {
  type ArgValue,
  COMMAND_LENGTH_MAX,
  CommandArgs,
  type CommandMap,
  parseCommand,
  parseOsdId,
  validateArgs,
} from '../../types/index.ts';
