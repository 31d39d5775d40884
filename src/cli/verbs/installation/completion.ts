import { Argument, Command } from 'commander';
import { bashCompletion, fishCompletion, zshCompletion } from '../../lib/completion-scripts';
import { commandTree } from '../../lib/command-tree';
import { createProgram } from '../../program';

const SCRIPTS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };
type Shell = keyof typeof SCRIPTS;

export function verb(): Command {
  return new Command('completion')
    .description('Print a script that completes verbs, options and their values in a shell.')
    .addArgument(new Argument('<shell>', 'the shell that the script is for').choices(Object.keys(SCRIPTS)))
    .addHelpText(
      'after',
      `
Examples:
  source <(tallyman completion bash)               in ~/.bashrc
  source <(tallyman completion zsh)                in ~/.zshrc, after compinit
  tallyman completion fish | source                in ~/.config/fish/config.fish`,
    )
    .action((shell: Shell) => {
      process.stdout.write(SCRIPTS[shell](commandTree(createProgram())));
    });
}
