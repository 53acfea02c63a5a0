/** The shells whose completion can be taught `cleo`. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;

export type Shell = (typeof SHELLS)[number];

/**
 * A script for each shell. None of them knows the commands: they ask `cleo __complete` for what may stand where the cursor is,
 * so that a script stays right when the command is updated.
 */
export const SCRIPTS: Record<Shell, string> = {
  bash: `# Completion of cleo for bash. For every new shell: source <(cleo completion bash)
_cleo() {
  local current=\${COMP_WORDS[COMP_CWORD]} line
  [ "$current" = "=" ] && current=
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :files)
        compopt -o filenames 2>/dev/null
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$current")
        ;;
      :folders)
        compopt -o filenames 2>/dev/null
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -d -- "$current")
        ;;
      :*) ;;
      *) COMPREPLY+=("\${line%%$'\\t'*}") ;;
    esac
  done < <("\${COMP_WORDS[0]}" __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null </dev/null)
}
complete -F _cleo cleo
`,
  zsh: `#compdef cleo
# Completion of cleo for zsh. Put it as _cleo into a folder of $fpath, or: source <(cleo completion zsh)
_cleo() {
  local -a found
  local line value paths=
  while IFS= read -r line; do
    case $line in
      :files | :folders) paths=$line ;;
      :*) ;;
      *)
        value=\${line%%$'\\t'*}
        found+=("\${value//:/\\\\:}:\${line#*$'\\t'}")
        ;;
    esac
  done < <("\${(Q)words[1]}" __complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null </dev/null)
  (( \${#found} )) && _describe cleo found
  case $paths in
    :files) _files ;;
    :folders) _files -/ ;;
  esac
}
if [ "\${funcstack[1]}" = _cleo ]; then
  _cleo "$@"
else
  compdef _cleo cleo
fi
`,
  fish: `# Completion of cleo for fish. Put it into ~/.config/fish/completions/cleo.fish
function __cleo_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] __complete -- $words[2..-1] "$current" 2>/dev/null </dev/null)
        switch $line
            case :files
                __fish_complete_path "$current"
            case :folders
                __fish_complete_directories "$current"
            case ':*'
            case '*'
                echo $line
        end
    end
end
complete -c cleo -f -a '(__cleo_complete)'
`,
};
