# Completion of numzoo for fish. Load it by:  numzoo completion fish | source
function __numzoo
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] completion candidates -- $words[2..] 2>/dev/null)
        switch $line
            case '@files*'
                __fish_complete_path (commandline -ct)
            case '@folders*'
                __fish_complete_directories (commandline -ct)
            case '*'
                echo $line
        end
    end
end
complete -c numzoo -f -a '(__numzoo)'
