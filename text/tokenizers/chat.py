"""Conversations as models were trained on them.

A model's chat template is a program in a template language. It comes from whoever made the files, so it is never run: the
formats below are written here, and a template is only looked at to see which of them it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict

from numzoo.text.errors import TokenizerError

__all__ = ["Message", "chat_format", "turn_end"]


class Message(TypedDict):
    """What somebody said: the role is "system", "user" or "assistant"."""

    role: str
    content: str


Writer = Callable[[Sequence[Message], bool], str]

_ROLES = ("system", "user", "assistant")


def chat_format(template: str | None, special: Mapping[str, str]) -> Writer:
    """How conversations are written by the model whose `template` this is."""
    if not template:
        raise TokenizerError(
            "The files of this model have no chat template: it was not trained on conversations, or they lack it."
        )
    for mark, make, _ in _FORMATS:
        if mark in template:
            write = make(template, special)
            return lambda messages, answer: write(_checked(messages), answer)
    raise TokenizerError(
        f"The model's chat template is none of those known here ({', '.join(mark for mark, *_ in _FORMATS)}), and templates are not run. "
        "Write the text of the conversation yourself, as its authors describe it, and give that text (numzoo predict: with --plain)."
    )


def turn_end(template: str | None) -> str | None:
    """The token with which whoever speaks ends, where that is another than the end of all text; None where none is known."""
    return next((end for mark, _, end in _FORMATS if mark in (template or "")), None)


def _checked(messages: Sequence[Message]) -> Sequence[Message]:
    for place, message in enumerate(messages):
        if (
            not isinstance(message, Mapping)
            or message.get("role") not in _ROLES
            or not isinstance(message.get("content"), str)
        ):
            raise TokenizerError(
                f"Message {place} must be {{'role': one of {', '.join(_ROLES)}, 'content': text}}, not {message!r:.80}."
            )
        if message["role"] == "system" and place:
            raise TokenizerError(f"A system message comes first, but message {place} is one.")
    if not messages:
        raise TokenizerError("A conversation needs a message.")
    return messages


def _chatml(template: str, special: Mapping[str, str]) -> Writer:
    """<|im_start|>role, a line, the content, <|im_end|>; some models speak of themselves where nobody gives a system message."""
    usual = _literal(template, r"<\|im_start\|>system(?:\\n|\n)", r"<\|im_end\|>")

    def write(messages: Sequence[Message], answer: bool) -> str:
        said = list(messages)
        if usual and said[0]["role"] != "system":
            said.insert(0, {"role": "system", "content": usual})
        text = "".join(f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n" for message in said)
        return text + ("<|im_start|>assistant\n" if answer else "")

    return write


def _llama3(template: str, special: Mapping[str, str]) -> Writer:
    """<|start_header_id|>role<|end_header_id|>, two lines, the content, <|eot_id|>; since 3.1 dates stand before a system message."""
    dates = (
        "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n" if "Cutting Knowledge" in template else ""
    )

    def write(messages: Sequence[Message], answer: bool) -> str:
        text = special.get("bos", "<|begin_of_text|>")
        said = list(messages)
        if dates and said[0]["role"] != "system":
            said.insert(0, {"role": "system", "content": ""})
        for message in said:
            before = dates if message["role"] == "system" else ""
            content = before + message["content"].strip()
            text += f"<|start_header_id|>{message['role']}<|end_header_id|>\n\n{content}<|eot_id|>"
        return text + ("<|start_header_id|>assistant<|end_header_id|>\n\n" if answer else "")

    return write


def _gemma(template: str, special: Mapping[str, str]) -> Writer:
    """<start_of_turn>user or model, a line, the content, <end_of_turn>; a system message stands before the first question."""

    def write(messages: Sequence[Message], answer: bool) -> str:
        text, before = special.get("bos", "<bos>"), ""
        for message in messages:
            if message["role"] == "system":
                before = message["content"].strip() + "\n\n"
                continue
            role = "model" if message["role"] == "assistant" else "user"
            text += f"<start_of_turn>{role}\n{before}{message['content'].strip()}<end_of_turn>\n"
            before = ""
        return text + ("<start_of_turn>model\n" if answer else "")

    return write


def _zephyr(template: str, special: Mapping[str, str]) -> Writer:
    """<|role|>, a line, the content and the end token, a line."""
    end = special.get("eos", "</s>")

    def write(messages: Sequence[Message], answer: bool) -> str:
        text = "".join(f"<|{message['role']}|>\n{message['content']}{end}\n" for message in messages)
        return text + ("<|assistant|>\n" if answer else "")

    return write


def _instructions(template: str, special: Mapping[str, str]) -> Writer:
    """[INST] the question [/INST] the answer and the end token, as Llama 2 and Mistral have it.

    Llama 2 frames a system message in the first question and begins every question anew. Mistral's versions differ in spaces,
    and in whether a system message goes before the first question or the last.
    """
    begin, end = special.get("bos", "<s>"), special.get("eos", "</s>")
    framed = "<<SYS>>" in template
    literal = re.search(r"""(['"])( ?\[INST\] ?)\1""", template)
    opening = "[INST] " if framed else literal[2] if literal else "[INST]"
    closing = " [/INST]" if framed or re.search(r"""['"] \[/INST\]""", template) else "[/INST]"
    gap = " " if framed or re.search(r"""(['"]) \1\s*\+\s*(message|content)""", template) else ""
    tail = " " if framed or re.search(r"""eos_token\s*\+\s*(['"]) \1""", template) else ""
    late = not framed and "loop.last and system_message" in template

    def write(messages: Sequence[Message], answer: bool) -> str:
        text, before = ("" if framed else begin), ""
        questions = [place for place, message in enumerate(messages) if message["role"] == "user"]
        for place, message in enumerate(messages):
            content = message["content"].strip() if framed else message["content"]
            if message["role"] == "system":
                before = f"<<SYS>>\n{content}\n<</SYS>>\n\n" if framed else f"{content}\n\n"
            elif message["role"] == "user":
                here = before if place == questions[-1 if late else 0] else ""
                text += f"{begin if framed else ''}{opening}{here}{content}{closing}"
            else:
                text += f"{gap}{content}{' ' if framed else ''}{end}{'' if framed else tail}"
        return text

    return write


def _literal(template: str, begin: str, end: str) -> str | None:
    """What stands between two patterns in one literal of the template, or in its bare text; None where nothing plain does."""
    quoted = rf"""(?P<quote>['"]){begin}(?P<text>(?:(?!(?P=quote)).)+?){end}"""
    found = re.search(quoted, template, re.DOTALL) or re.search(rf"{begin}(?P<text>[^{{}}'\"]+?){end}", template)
    return None if found is None else found["text"].replace("\\n", "\n").replace("\\'", "'")


_FORMATS: tuple[tuple[str, Callable[[str, Mapping[str, str]], Writer], str | None], ...] = (
    ("<|im_start|>", _chatml, "<|im_end|>"),
    ("<|start_header_id|>", _llama3, "<|eot_id|>"),
    ("<start_of_turn>", _gemma, "<end_of_turn>"),
    ("<|user|>", _zephyr, None),
    ("[INST]", _instructions, None),
)
"""What is in a template of the format, how such a conversation is written, and what ends whoever speaks."""
