/**
 * Completion for shells. The scripts know no command: they ask the program that is being typed, which prints a
 * candidate a line, and nothing where files belong: `taw __complete =TYPED WORD…`, TYPED being the word under the
 * cursor and WORD… those before it. The `=` is there because PowerShell passes no empty arguments.
 */
export const completionScripts = {
  bash: `# Completion of taw for bash: source <(taw completion bash)
_taw_complete() {
  local IFS=$'\\n'
  COMPREPLY=($("\${COMP_WORDS[0]}" __complete "=\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null))
}
complete -o default -F _taw_complete taw
`,
  zsh: `#compdef taw
# Completion of taw for zsh: source <(taw completion zsh) after compinit, or this file as _taw in a folder of $fpath
_taw() {
  local -a candidates
  candidates=(\${(f)"$("\${words[1]}" __complete "=\${words[CURRENT]}" "\${(@)words[2,CURRENT-1]}" 2>/dev/null)"})
  if (( \${#candidates} )); then
    compadd -a candidates
  else
    _files
  fi
}
if [[ \${funcstack[1]} == _taw ]]; then
  _taw "$@"
else
  compdef _taw taw
fi
`,
  fish: `# Completion of taw for fish: taw completion fish | source
function __taw_complete
    set -l line (commandline -opc)
    $line[1] __complete =(commandline -ct) $line[2..-1] 2>/dev/null
end
complete -c taw -n 'count (__taw_complete) >/dev/null' -f -a '(__taw_complete)'
`,
  powershell: `# Completion of taw for PowerShell: taw completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName 'taw' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $before = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        Select-Object -Skip 1 | ForEach-Object { "$_" })
    taw __complete "=$wordToComplete" @before 2>$null |
        ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
}
`,
} as const

export type Shell = keyof typeof completionScripts
