"""Tokens as they come, to pieces of text that are sure; and the texts at which writing ends."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

__all__ = ["cut", "pieces", "stops_of", "unsure"]


def pieces(
    tokens: Iterable[int], decode: Callable[[list[int]], str], ends: Collection[int], stops: Sequence[str]
) -> Iterator[str]:
    """What tokens say, up to one of `ends` or the first of `stops`, each piece as soon as it is sure."""
    known: list[int] = []
    given = ""
    for token in tokens:
        if token in ends:
            break
        known.append(token)
        text, stopped = cut(decode(known), stops)
        sure = text if stopped else text[: len(text) - unsure(text, stops)]
        if len(sure) > len(given):
            yield sure[len(given) :]
            given = sure
        if stopped:
            return
    text, _ = cut(decode(known), stops)
    if len(text) > len(given):
        yield text[len(given) :]


def stops_of(stop: str | Sequence[str]) -> list[str]:
    """The texts at which writing ends, checked."""
    stops = [stop] if isinstance(stop, str) else list(stop)
    if any(not isinstance(each, str) or not each for each in stops):
        raise ValueError(f"stop is a text or a list of texts, none of them empty, not {stop!r}")
    return stops


def cut(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """The text up to the first of the stops, and whether there was one."""
    places = [place for each in stops if (place := text.find(each)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def unsure(text: str, stops: Sequence[str]) -> int:
    """How many characters at the end may change with the next token: half a character, or the beginning of a stop."""
    whole = text.rstrip("\N{REPLACEMENT CHARACTER}")
    begun = [size for each in stops for size in range(1, len(each)) if whole.endswith(each[:size])]
    return len(text) - len(whole) + max(begun, default=0)
