# Completion of mailform's words in bash: . <(mailform completion bash)
_mailform() {
    # bash breaks words at "=" and quotation marks; put those together again.
    local line=${COMP_LINE:0:COMP_POINT} cur=${COMP_WORDS[COMP_CWORD]} words=() i word=
    for ((i = 1; i <= COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} == = && ${#words[@]} -gt 0 ]]; then
            word=${words[-1]}=
            unset 'words[-1]'
            if ((i < COMP_CWORD)); then
                ((i++))
                word+=${COMP_WORDS[i]}
            fi
            words+=("$word")
        else
            words+=("${COMP_WORDS[i]}")
        fi
    done
    [[ $cur == = ]] && cur=
    [[ $cur == -*=* ]] && cur=${cur#*=}
    local prefix=
    [[ $COMP_WORDBREAKS != *=* && ${COMP_WORDS[COMP_CWORD]} == -*=* ]] && prefix=${COMP_WORDS[COMP_CWORD]%%=*}=
    COMPREPLY=()
    local reply
    while IFS= read -r reply; do
        case $reply in
        :files) while IFS= read -r reply; do COMPREPLY+=("$prefix$reply"); done < <(compgen -f -- "${cur#[\"\']}"); compopt -o filenames 2>/dev/null ;;
        :directories) while IFS= read -r reply; do COMPREPLY+=("$prefix$reply"); done < <(compgen -d -- "${cur#[\"\']}"); compopt -o filenames 2>/dev/null ;;
        :nospace) compopt -o nospace 2>/dev/null ;;
        :quote) compopt -o filenames 2>/dev/null ;;
        *) COMPREPLY+=("$prefix$reply") ;;
        esac
    done < <("${COMP_WORDS[0]}" __complete "${words[@]}" 2>/dev/null)
}
complete -F _mailform mailform
