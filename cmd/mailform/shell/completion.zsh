#compdef mailform
# Completion of mailform's words in zsh: . <(mailform completion zsh), or as a
# file _mailform in a folder of $fpath.
_mailform() {
    local -a given candidates
    local reply
    local -i files=0 directories=0 nospace=0
    given=("${(@Q)words[2,CURRENT]}")
    while IFS= read -r reply; do
        case $reply in
            :files) files=1 ;;
            :directories) directories=1 ;;
            :nospace) nospace=1 ;;
            :*) ;;
            *) candidates+=("$reply") ;;
        esac
    done < <("${words[1]}" __complete "${given[@]}" 2>/dev/null)
    [[ ${given[-1]} == -*=* ]] && compset -P '*='
    ((files)) && _files
    ((directories)) && _files -/
    if ((nospace)); then
        compadd -S '' -a candidates
    else
        compadd -a candidates
    fi
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _mailform "$@"
else
    compdef _mailform mailform
fi
