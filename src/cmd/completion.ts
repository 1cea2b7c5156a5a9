/** `sepiola completion SHELL`: scripts with which a shell completes sepiola's command lines, and what they ask for. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `_sepiola() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$("\${COMP_WORDS[0]}" completion words "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _sepiola sepiola
`,
  zsh: `#compdef sepiola
_sepiola() {
  local -a found
  found=("\${(@f)$("\${words[1]}" completion words "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "\${found[*]}" ]]; then compadd -- "\${found[@]}"; else _files; fi
}
compdef _sepiola sepiola
`,
  fish: `function __sepiola_complete
  set -l words (commandline -opc)
  set -l found ($words[1] completion words $words[2..-1] (commandline -ct) 2>/dev/null)
  if set -q found[1]
    printf '%s\\n' $found
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c sepiola -f -a '(__sepiola_complete)'
`,
};

const USAGE = `usage: sepiola completion bash|zsh|fish

Prints a script that completes the command line of sepiola: its commands, their options, names of pools, and all commands of a cluster.

  bash:  source <(sepiola completion bash)
  zsh:   source <(sepiola completion zsh)
  fish:  sepiola completion fish | source
`;

/** Milliseconds that a cluster may take to say what it knows. */
const ASK_TIMEOUT_MS = 4000;

/** What a command of this program prints; nothing where it takes too long. */
function ask(...args: string[]): string {
  const program = fileURLToPath(new URL('../../bin/sepiola.js', import.meta.url));
  const { stdout } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', timeout: ASK_TIMEOUT_MS });
  return stdout ?? '';
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

/** Options that the help of a command names. */
function optionsOf(command: string): string[] {
  const help = ask(command, '--help').split('Monitor commands:')[0]!;
  return [...new Set(help.match(/(?<![\w-])--?[a-zA-Z][\w-]*/g) ?? [])];
}

/** First words of the lines of `rados --help` that tell a command. */
function radosCommands(): string[] {
  const words = lines(ask('rados', '--help')).flatMap((line) => /^ {3}([a-z][\w-]+)(?: |$)/.exec(line)?.[1] ?? []);
  return [...new Set(words)];
}

const RADOS_OPERANDS: Readonly<Record<string, readonly string[]>> = {
  bench: ['write', 'seq', 'rand'],
  lock: ['list', 'info', 'get', 'break'],
  purge: ['--yes-i-really-really-mean-it'],
};

function radosWords(before: readonly string[]): string[] {
  const last = before.at(-1);
  if (last !== undefined && ['-p', '--pool', '--target-pool', 'cppool', 'purge'].includes(last)) {
    return lines(ask('rados', 'lspools'));
  }
  const command = before.find((word) => Object.hasOwn(RADOS_OPERANDS, word));
  if (command !== undefined) return [...RADOS_OPERANDS[command]!];
  const isGiven = before.some((word, i) => !word.startsWith('-') && !/^-[a-zA-Z]$|^--/.test(before[i - 1] ?? ''));
  return isGiven ? [] : radosCommands();
}

/** What the last of the words could be. */
function candidates(commands: readonly string[], words: readonly string[]): string[] {
  const [command, ...rest] = words;
  if (command === undefined || rest.length === 0) return [...commands];
  const before = rest.slice(0, -1);
  const word = rest.at(-1)!;
  if (word.startsWith('-')) return optionsOf(command);
  switch (command) {
    case 'ceph':
      return lines(ask('ceph', '--completion', ...rest)).filter((line) => !/^[ #]/.test(line));
    case 'rados':
      return radosWords(before);
    case 'completion':
      return Object.keys(SCRIPTS);
    case 'up':
      return before.at(-1) === '--store' ? ['disk', 'memory'] : [];
    default:
      return [];
  }
}

/** `commands`: names of all commands of the program. */
export async function completion(argv: readonly string[], commands: readonly string[]): Promise<number> {
  const [shell, ...words] = argv;
  if (shell === 'words') {
    const beginning = words.at(-1) ?? '';
    const found = candidates(commands, words).filter((word) => word.startsWith(beginning));
    process.stdout.write(found.map((word) => `${word}\n`).join(''));
    return 0;
  }
  const script = shell === undefined || !Object.hasOwn(SCRIPTS, shell) ? undefined : SCRIPTS[shell];
  if (script !== undefined) {
    process.stdout.write(script);
    return 0;
  }
  const isHelp = shell === '--help' || shell === '-h';
  (isHelp ? process.stdout : process.stderr).write(USAGE);
  return isHelp ? 0 : 1;
}
