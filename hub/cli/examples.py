"""Examples of every command, for its help and for docs/commands.md: whole lines that can be copied.

They stand in one table, so that they read alike; a test has the parser accept each of them. ``NAME`` in a table's key is the
words after ``numzoo``. What is written after ``  #`` says what the line is for.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

__all__ = ["EXAMPLES", "commands_of", "write_into"]

EXAMPLES: dict[str, str] = {
    "ls": """
numzoo ls                                       # every model
numzoo ls 'resnet*' --json
numzoo ls --task object-detection
numzoo ls --kind data --names""",
    "show": """
numzoo show resnet50                            # metrics, preprocessing, licence, files, hashes
numzoo show resnet50.imagenet1k-v1 --json
numzoo show data:mnist
numzoo show hf:OWNER/REPO --trust-first-use
numzoo show finetuned/model.safetensors""",
    "pull": """
numzoo pull resnet50 sample:cat
numzoo pull data:mnist/t10k-images-idx3-ubyte   # one file of a data set
numzoo pull resnet50 --dry-run                  # how much it would be, and from where
numzoo pull resnet50 --limit-rate 2M
numzoo pull hf:OWNER/REPO@REVISION --trust-first-use""",
    "predict": """
numzoo predict mobilenet_v2 sample:cat
numzoo predict resnet50 a.jpg b.jpg --top 3 --json
numzoo predict finetuned/model.safetensors photo.jpg
numzoo predict smollm2_135m 'What is the capital of France?'
numzoo predict minilm_l6 'a cat' 'a kitten' --json
numzoo predict t5_small --task translation_en_to_de 'The house is small.'
numzoo predict minilm_l6 - < lines.txt
numzoo predict whisper_base speech.wav --plot speech.png
numzoo predict whisper_base speech.wav --words
numzoo predict whisper_base rede.wav --language de --task translate
numzoo predict speaker_encoder one.wav other.wav
numzoo predict tacotron2_characters 'Hello world.' --output hello.wav --trust-first-use
numzoo predict hdemucs_high song.flac --output sources --trust-first-use
numzoo predict squim_subjective call.wav --reference clean.wav --trust-first-use
numzoo predict hf:OWNER/REPO photo.jpg --trust-first-use""",
    "verify": """
numzoo verify                                   # every file of the cache
numzoo verify --quick --repair
numzoo verify mobilenet_v2 --parity             # does it compute what the authors' code computes?
numzoo verify --all --json""",
    "finetune": """
numzoo finetune mobilenet_v2 photos --epochs 5
numzoo finetune resnet50 photos --freeze backbone --out pets
numzoo finetune resnet50 photos --lora 8 --only-changed
numzoo finetune minilm_l6 tweets.csv             # texts, with columns text and label
numzoo finetune whisper_base words               # a folder of sounds for each class
numzoo finetune hf:OWNER/REPO mails --precision bf16 --trust-first-use
numzoo finetune mobilenet_v2 photos --resume    # after an interruption
numzoo finetune mobilenet_v2 photos --dry-run""",
    "convert": """
numzoo convert run7.pth run7.safetensors --prefix state_dict.
numzoo convert resnet50-11ad3fa6.pth r.safetensors --model resnet50 --dtype bf16
numzoo convert hf:OWNER/REPO own.safetensors --model config --trust-first-use
numzoo convert big.gguf big.safetensors --shard-size 2GB""",
    "scan": """
numzoo scan downloaded.ckpt
numzoo scan ./folder --json
numzoo scan model.gguf --tensors
numzoo scan hf:OWNER/REPO --trust-first-use""",
    "diff": """
numzoo diff resnet50.imagenet1k-v1 resnet50.imagenet1k-v2
numzoo diff base.safetensors tuned.safetensors --tolerance 1e-3
numzoo diff a.pth b.safetensors --rename 'module\\.(.+)=\\1'""",
    "lock": """
numzoo lock mobilenet_v2 sample:cat data:mnist
numzoo lock --check                             # in continuous integration
numzoo lock resnet50 --upgrade                  # the registry's present default
numzoo lock resnet50 --remove""",
    "sync": """
numzoo sync --frozen                            # in a container's build
numzoo sync --frozen --offline                  # is all here?
numzoo sync --prune --dry-run                   # what the cache holds besides""",
    "licenses": """
numzoo licenses resnet50 data:mnist
numzoo licenses --cached --policy policy.toml   # exit 7 and a list where the policy is violated
numzoo licenses --cached --sbom cyclonedx > bom.json""",
    "bundle": """
numzoo bundle create lab.tar mobilenet_v2 sample:cat data:mnist
numzoo bundle import lab.tar                    # on the other machine
numzoo predict mobilenet_v2 sample:cat --offline""",
    "bundle create": """
numzoo bundle create lab.tar mobilenet_v2 sample:cat data:mnist
numzoo bundle create lab --from-lock --sign acme.key
numzoo bundle create lab.tar resnet50 --dry-run""",
    "bundle import": """
numzoo bundle import lab.tar
numzoo bundle import lab.tar --verify-only
numzoo bundle import lab.tar --key numzoo-ed25519:...""",
    "bundle ls": """
numzoo bundle ls lab.tar
numzoo bundle ls lab.tar --json""",
    "cache": """
numzoo cache ls 'resnet*'
numzoo cache size
numzoo cache prune --limit 10GB --dry-run""",
    "cache ls": """
numzoo cache ls 'resnet*'
numzoo cache ls --unused-for 30d --sort size
numzoo cache ls --orphans
numzoo cache ls --parts""",
    "cache dir": """
numzoo cache dir
du -sh "$(numzoo cache dir)" """,
    "cache size": """
numzoo cache size
numzoo cache size --json""",
    "cache rm": """
numzoo cache rm resnet50
numzoo cache rm b0353104 --yes                  # the first digits of a sha256
numzoo cache rm --unused-for 30d --dry-run""",
    "cache prune": """
numzoo cache prune --dry-run
numzoo cache prune --limit 10GB --yes""",
    "cache export": """
numzoo cache export resnet50 --to torch
numzoo cache export mine/bert --to huggingface --dry-run""",
    "data": """
numzoo data ls --task image-classification
numzoo data show cifar10
numzoo data pull cifar10 --split test
numzoo data pull imagenet --from ~/Downloads --accept-license LicenseRef-ImageNet
numzoo data verify mnist
numzoo data rm cifar10 --packed""",
    "data ls": """
numzoo data ls --task image-classification
numzoo data ls --here
numzoo data ls 'cifar*' --json""",
    "data show": """
numzoo data show cifar10
numzoo data show imagenet --json""",
    "data pull": """
numzoo data pull cifar10 --split test
numzoo data pull mnist/train-labels-idx1-ubyte  # one file
numzoo data pull cifar10 --dry-run
numzoo data pull imagenet --from ~/Downloads --accept-license LicenseRef-ImageNet""",
    "data verify": """
numzoo data verify                              # all that is here
numzoo data verify cifar10 --repair""",
    "data rm": """
numzoo data rm cifar10 --dry-run
numzoo data rm cifar10 --packed                 # the archives only""",
    "data path": """
numzoo data path cifar10 --split test
ls -l $(numzoo data path mnist)""",
    "registry": """
numzoo registry ls                              # the registries that names come from, in their order
numzoo registry add acme https://models.acme.example/zoo --key numzoo-ed25519:... --namespace acme
numzoo registry rm acme""",
    "registry ls": """
numzoo registry ls
numzoo registry ls --json
numzoo --registry ./zoo registry ls             # a folder that is not configured""",
    "registry add": """
numzoo registry add acme https://models.acme.example/zoo --key numzoo-ed25519:... --namespace acme
numzoo registry add lab /srv/zoo --dry-run""",
    "registry rm": """
numzoo registry rm acme""",
    "registry forget": """
numzoo registry forget acme                     # its owner has set it up anew""",
    "index": """
numzoo keys new ~/acme.key                      # once; keep it safe
numzoo index zoo --sign ~/acme.key              # zoo/manifest.json and the files it names: a registry
numzoo index zoo --sign ~/acme.key --deprecate acme/net.v1='Wrong labels' --replaced-by acme/net.v1=acme/net.v2
numzoo index zoo --sign ~/acme.key --withdraw acme/net.v1='It leaks its training data'
numzoo index zoo --check                        # hash every blob; nothing is written""",
    "publish": """
numzoo publish pets.safetensors --registry zoo --name acme/resnet50.pets-v1 --license CC-BY-4.0 \\
    --source https://acme.example/pets --sign ~/acme.key
numzoo publish run7.pth --registry zoo --name acme/net.v2 --model vision.models.resnet18 --config '{"classes": 10}' \\
    --task image-classification --license MIT --source https://acme.example""",
    "keys": """
numzoo keys new ~/acme.key                      # makes a key; prints the public half
numzoo keys show ~/acme.key                     # prints it again, for the people who use the registry""",
    "keys new": """
numzoo keys new ~/acme.key""",
    "keys show": """
numzoo keys show ~/acme.key""",
    "catalog": """
numzoo catalog site                             # then open site/index.html
numzoo --registry https://models.example.org catalog site --title 'Our models'""",
    "doctor": """
numzoo doctor
numzoo doctor --offline --json""",
    "completion": """
source <(numzoo completion bash)                # in ~/.bashrc
source <(numzoo completion zsh)                 # in ~/.zshrc, after compinit
numzoo completion fish > ~/.config/fish/completions/numzoo.fish""",
    "completion bash": """
source <(numzoo completion bash)                # in ~/.bashrc""",
    "completion zsh": """
source <(numzoo completion zsh)                 # in ~/.zshrc, after compinit""",
    "completion fish": """
numzoo completion fish > ~/.config/fish/completions/numzoo.fish""",
    "completion candidates": """
numzoo completion candidates -- show resn""",
}


def write_into(parser: argparse.ArgumentParser) -> None:
    """Give every command of `parser` its examples, and a description where it has only its line in the list."""
    for words, command, line in commands_of(parser):
        if command.description is None and line:
            command.description = f"{line[0].upper()}{line[1:]}."
        if words in EXAMPLES:
            examples = EXAMPLES[words].strip().replace("%", "%%").replace("\n", "\n  ")
            command.epilog = f"examples:\n  {examples}"
            command.formatter_class = _Wrapped


def commands_of(
    parser: argparse.ArgumentParser, before: str = ""
) -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    """Every command below `parser`: its words, its parser and its line in the list, in the order of the help."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            lines = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, command in action.choices.items():
                words = f"{before} {name}".strip()
                yield words, command, lines.get(name, "")
                yield from commands_of(command, words)


class _Wrapped(argparse.HelpFormatter):
    """Descriptions are wrapped to the terminal; examples keep their lines, so that they can be copied."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:\n"):
            return text
        return super()._fill_text(text, width, indent)
