#compdef numzoo
# Completion of numzoo for zsh. Load it by:  source <(numzoo completion zsh)   (after compinit)
_numzoo() {
    local -a found names
    local line name text
    found=("${(@f)$("${words[1]}" completion candidates -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    for line in $found; do
        name=${line%%$'\t'*}
        text=${line#"$name"}
        text=${text#$'\t'}
        case $name in
            @files) _files ;;
            @folders) _files -/ ;;
            "") ;;
            *) names+=("${name//:/\\:}${text:+:$text}") ;;
        esac
    done
    (( $#names )) && _describe -V numzoo names
}
if [[ $funcstack[1] == _numzoo ]]; then
    _numzoo "$@"
else
    compdef _numzoo numzoo
fi
