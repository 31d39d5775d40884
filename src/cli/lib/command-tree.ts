import type { Command, Option } from 'commander';

/** A verb or a group of verbs, as commander has it. */
export interface CommandNode {
  /**
   * The words that lead to it, without the program's own name: `invoices list`; empty for the
   * program.
   */
  readonly path: string;
  readonly command: Command;
  readonly verbs: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly OptionNode[];
  /** The words that its arguments are chosen from; empty if any word is allowed. */
  readonly choices: readonly string[];
  readonly takesArguments: boolean;
}

export interface OptionNode {
  /** `--role`, and `-h` beside `--help`. */
  readonly flags: readonly string[];
  readonly description: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}

/** The program and all below it, the outer ones first. */
export function commandTree(command: Command, path = ''): CommandNode[] {
  const help = command.createHelp();
  const verbs = help.visibleCommands(command);
  const node: CommandNode = {
    path,
    command,
    verbs: verbs.map((verb) => ({ name: verb.name(), description: verb.description() })),
    options: help.visibleOptions(command).map(optionNode),
    choices: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
    takesArguments: command.registeredArguments.length > 0,
  };
  const below = command.commands.flatMap((verb) => commandTree(verb, `${path} ${verb.name()}`.trim()));
  return [node, ...below];
}

function optionNode({ long, short, description, required, optional, argChoices }: Option): OptionNode {
  const flags = [long, short].filter((flag) => flag !== undefined);
  return { flags, description, takesValue: required || optional, choices: argChoices ?? [] };
}
