# Completion of numzoo for bash. Load it by:  source <(numzoo completion bash)
_numzoo() {
    local line=${COMP_LINE:0:COMP_POINT} current kind found
    local -a words
    read -r -a words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    current=${words[${#words[@]}-1]}
    COMPREPLY=()
    while IFS=$'\t' read -r found _; do
        case $found in
            @files) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current"); compopt -o filenames 2>/dev/null ;;
            @folders) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$current"); compopt -o filenames 2>/dev/null ;;
            *) COMPREPLY+=("$found") ;;
        esac
    done < <("${words[0]}" completion candidates -- "${words[@]:1}" 2>/dev/null)
    # bash takes a colon for the beginning of a new word, so what stands before it must not come twice.
    if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
        local before=${current%"${current##*:}"} index
        for index in "${!COMPREPLY[@]}"; do COMPREPLY[index]=${COMPREPLY[index]#"$before"}; done
    fi
}
complete -o nosort -F _numzoo numzoo 2>/dev/null || complete -F _numzoo numzoo
