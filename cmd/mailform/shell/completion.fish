# Completion of mailform's words in fish: mailform completion fish | source
function __mailform_complete
    set -l words (commandline -opc)
    set -l program $words[1]
    set -e words[1]
    set -l current (commandline -ct)
    set -l prefix (string match -r -- '^-[^=]*=' $current)
    for reply in ($program __complete $words "$current" 2>/dev/null)
        switch $reply
            case ':files'
                __fish_complete_path (string replace -r -- '^-[^=]*=' '' "$current") | string replace -r -- '^' "$prefix"
            case ':directories'
                __fish_complete_directories (string replace -r -- '^-[^=]*=' '' "$current") | string replace -r -- '^' "$prefix"
            case ':*'
            case '*'
                echo "$prefix$reply"
        end
    end
end
complete -c mailform -f -a '(__mailform_complete)'
