import type { CommandNode, OptionNode } from './command-tree';

/*
 * Each script finds the verb in the words before the cursor, and offers what may follow it. The
 * lists are written out: a completion that started the program at each TAB would be slow. The shell
 * itself completes files.
 */

/** @param tree of `commandTree`; the first is the program */
export function bashCompletion(tree: readonly CommandNode[]): string {
  const values = optionsWithChoices(tree).map(
    ({ path, flag, choices }) => `    ${quoted(`${path} ${flag}`)}) words=${quoted(choices.join(' '))} ;;`,
  );
  const afterVerb = tree.map(
    (node) =>
      `    ${quoted(node.path)})\n` +
      `      options=${quoted(flagsOf(node).join(' '))}\n` +
      `      words=${quoted(wordsOf(node).join(' '))} ;;`,
  );
  return `# bash completion of tallyman: source <(tallyman completion bash)
_tallyman() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  local verb='' words='' options='' at
  for ((at = 1; at < COMP_CWORD; at++)); do
    case "$verb \${COMP_WORDS[at]}" in
    ${verbPatterns(tree)}) verb="\${verb:+$verb }\${COMP_WORDS[at]}" ;;
    esac
  done
  COMPREPLY=()
  case "$verb $previous" in
${values.join('\n')}
    ${valuePatterns(tree)}) return ;;
  esac
  if [[ -z $words ]]; then
    case "$verb" in
${afterVerb.join('\n')}
    esac
    [[ $current == -* || -z $words ]] && words=$options
  fi
  local IFS=$' \\t\\n'
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _tallyman tallyman
`;
}

export function zshCompletion(tree: readonly CommandNode[]): string {
  const values = optionsWithChoices(tree).map(
    ({ path, flag, choices }) =>
      `    ${quoted(`${path} ${flag}`)}) compadd -- ${choices.map(quoted).join(' ')}; return ;;`,
  );
  const described = (name: string, description: string): string =>
    quoted(`${name.replaceAll(':', '\\:')}:${description}`);
  const afterVerb = tree.map((node) => {
    const options = node.options.flatMap(({ flags, description }) =>
      flags.map((flag) => described(flag, description)),
    );
    const words = [
      ...node.verbs.map(({ name, description }) => described(name, description)),
      ...node.choices.map(quoted),
    ];
    return (
      `    ${quoted(node.path)})\n` +
      `      options=(${options.join(' ')})\n` +
      `      offered=(${words.join(' ')}) ;;`
    );
  });
  return `#compdef tallyman
# zsh completion of tallyman: source <(tallyman completion zsh), or save it as _tallyman in a folder of fpath
_tallyman() {
  local verb='' at
  local -a offered options
  for ((at = 2; at < CURRENT; at++)); do
    case "$verb \${words[at]}" in
    ${verbPatterns(tree)}) verb="\${verb:+$verb }\${words[at]}" ;;
    esac
  done
  case "$verb \${words[CURRENT-1]}" in
${values.join('\n')}
    ${valuePatterns(tree)}) _files; return ;;
  esac
  case "$verb" in
${afterVerb.join('\n')}
  esac
  if [[ \${words[CURRENT]} == -* ]]; then
    _describe -o option options
  elif (( \${#offered} )); then
    _describe word offered
  else
    _files
  fi
}
if [[ \${funcstack[1]} == _tallyman ]]; then
  _tallyman "$@"
else
  compdef _tallyman tallyman
fi
`;
}

export function fishCompletion(tree: readonly CommandNode[]): string {
  const lines = tree.flatMap((node) => {
    const at = `complete -c tallyman -n ${quoted(`__tallyman_at "${node.path}"`)}`;
    return [
      ...node.verbs.map(({ name, description }) => `${at} -f -a ${name} -d ${fishQuoted(description)}`),
      ...(node.choices.length > 0 ? [`${at} -f -a ${fishQuoted(node.choices.join(' '))}`] : []),
      ...node.options.map((option) => `${at} ${fishOption(option)}`),
    ];
  });
  return `# fish completion of tallyman: tallyman completion fish | source
function __tallyman_at
    set -l verb
    for word in (commandline -opc)[2..-1]
        switch (string join ' ' -- '' $verb $word)
            case ${verbPaths(tree)
              .map((path) => quoted(` ${path}`))
              .join(' ')}
                set -a verb $word
        end
    end
    test "$verb" = "$argv[1]"
end
${lines.join('\n')}
`;
}

function fishOption({ flags, description, takesValue, choices }: OptionNode): string {
  const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  const value = choices.length > 0 ? ` -x -a ${fishQuoted(choices.join(' '))}` : takesValue ? ' -r' : '';
  return `${names.join(' ')}${value} -d ${fishQuoted(description)}`;
}

const verbPaths = (tree: readonly CommandNode[]): string[] =>
  tree.flatMap(({ path }) => (path === '' ? [] : [path]));

/**
 * Patterns of `case` for the path so far, a blank and the next word; the path is empty at first.
 */
const verbPatterns = (tree: readonly CommandNode[]): string =>
  verbPaths(tree)
    .map((path) => quoted(path.includes(' ') ? path : ` ${path}`))
    .join('|');

/** Patterns of the options whose value may be anything. */
const valuePatterns = (tree: readonly CommandNode[]): string =>
  eachOption(tree)
    .filter(({ option }) => option.takesValue && option.choices.length === 0)
    .map(({ path, flag }) => quoted(`${path} ${flag}`))
    .join('|');

const optionsWithChoices = (
  tree: readonly CommandNode[],
): { path: string; flag: string; choices: readonly string[] }[] =>
  eachOption(tree)
    .filter(({ option }) => option.choices.length > 0)
    .map(({ path, flag, option }) => ({ path, flag, choices: option.choices }));

const eachOption = (tree: readonly CommandNode[]): { path: string; flag: string; option: OptionNode }[] =>
  tree.flatMap(({ path, options }) =>
    options.flatMap((option) => option.flags.map((flag) => ({ path, flag, option }))),
  );

const flagsOf = ({ options }: CommandNode): string[] => options.flatMap(({ flags }) => flags);

/**
 * The words that may follow a verb, besides options. If there are none, the options are offered
 * unasked.
 */
const wordsOf = (node: CommandNode): string[] => [...node.verbs.map(({ name }) => name), ...node.choices];

/** For bash and zsh: nothing within is expanded. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** For fish, where a backslash escapes within quotes. */
const fishQuoted = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`;
