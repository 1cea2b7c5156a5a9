// Shared with the manager and the OSD, whose commands have the same form.
export {
  type ArgSpec,
  type ArgType,
  type CommandSpec,
  describeArg,
  describeCommands,
  FLAG_DEPRECATED,
  FLAG_HIDDEN,
  FLAG_MGR,
  FLAG_NOFORWARD,
  FLAG_OBSOLETE,
  FLAG_POLL,
  FLAG_TELL,
  parseSignature,
} from '../../types/index.ts';
