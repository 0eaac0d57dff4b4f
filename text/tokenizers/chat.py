"""Conversations as models were trained on them.

A model's chat template is a program in a template language. It comes from whoever made the files, so it is never run: the
formats below are written here, and a template is only looked at to see which of them it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict

from numzoo.text.errors import TokenizerError

__all__ = ["Message", "chat_format"]


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
    for mark, make in _FORMATS:
        if mark in template:
            write = make(template, special)
            return lambda messages, answer: write(_checked(messages), answer)
    raise TokenizerError(
        f"The model's chat template is none of those known here ({', '.join(mark for mark, _ in _FORMATS)}), and templates are not run. "
        "Write the text of the conversation yourself."
    )


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
    usual = re.search(r"<\|im_start\|>system(?:\\n|\n)(.*?)<\|im_end\|>", template, re.DOTALL)

    def write(messages: Sequence[Message], answer: bool) -> str:
        said = list(messages)
        if usual and said[0]["role"] != "system":
            said.insert(0, {"role": "system", "content": usual[1]})
        text = "".join(f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n" for message in said)
        return text + ("<|im_start|>assistant\n" if answer else "")

    return write


def _llama3(template: str, special: Mapping[str, str]) -> Writer:
    """<|start_header_id|>role<|end_header_id|>, two lines, the content, <|eot_id|>."""

    def write(messages: Sequence[Message], answer: bool) -> str:
        text = special.get("bos", "<|begin_of_text|>")
        for message in messages:
            text += f"<|start_header_id|>{message['role']}<|end_header_id|>\n\n{message['content'].strip()}<|eot_id|>"
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
    """[INST] the question [/INST] the answer and the end token, as Llama 2 and Mistral have it."""
    begin, end = special.get("bos", "<s>"), special.get("eos", "</s>")
    framed = "<<SYS>>" in template
    spaced = framed or "' [INST] '" in template or '"[INST] "' in template or "'[INST] '" in template

    def write(messages: Sequence[Message], answer: bool) -> str:
        text, before = ("" if framed else begin), ""
        for message in messages:
            content = message["content"].strip() if framed else message["content"]
            if message["role"] == "system":
                before = f"<<SYS>>\n{content}\n<</SYS>>\n\n" if framed else f"{content}\n\n"
            elif message["role"] == "user":
                gap = " " if spaced else ""
                text += f"{begin if framed else ''}[INST]{gap}{before}{content} [/INST]"
                before = ""
            else:
                text += f" {content} {end}" if framed else f"{' ' if spaced else ''}{content}{end}"
        return text

    return write


_FORMATS: tuple[tuple[str, Callable[[str, Mapping[str, str]], Writer]], ...] = (
    ("<|im_start|>", _chatml),
    ("<|start_header_id|>", _llama3),
    ("<start_of_turn>", _gemma),
    ("<|user|>", _zephyr),
    ("[INST]", _instructions),
)
