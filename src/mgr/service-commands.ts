import { dumpServiceMap, JsonFormatter, type ServiceMap } from '../types/index.ts';
import { command, type MgrCommand, output } from './commands.ts';

/** Commands about what registered with the manager. `current` gives the map of now. */
export function serviceCommands(current: () => ServiceMap): readonly MgrCommand[] {
  return [
    command('service dump', 'service', 'r', '', 'show the services that registered', ({ f }) => {
      const formatter = f ?? new JsonFormatter(true);
      formatter.openObject('service_map');
      dumpServiceMap(current(), formatter);
      formatter.close();
      return output(formatter.flush());
    }),
  ];
}
