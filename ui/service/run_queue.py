"""The queue for the one worker: runs take turns, first come first served, and each is told how many are ahead. No gradio here.

Gradio has a queue too, but what it tells a page of it cannot be put into plain words, and programs are told nothing.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

BEAT = 1.0                       # seconds after which a place is told again: whoever serves it may find the visitor gone
MOST = 200                       # runs in the line; a visitor who would wait behind more is better told to come back
Item = TypeVar("Item")


@dataclass(frozen=True)
class Waiting:
    """A place in the queue.

    Attributes:
        ticket: names the place, for `Line.leave` and `Line.end`.
        ahead: runs that come before, the one that runs included; 0 once there is nothing to wait for.
    """

    ticket: str
    ahead: int

    @property
    def refused(self) -> bool:
        """Whether the line was full: there is no ticket, and the run never begins."""
        return not self.ticket

    @property
    def sentence(self) -> str:
        """The place in plain words; empty once there is nothing to wait for."""
        if not self.ahead:
            return ""
        if self.refused:
            return f"{self.ahead} runs are waiting already, so yours was not put into the queue. Try again in a few minutes."
        runs = "1 run is" if self.ahead == 1 else f"{self.ahead} runs are"
        return f"{runs} ahead of yours. Your place in the queue: {self.ahead + 1}."

    def message(self) -> dict[str, Any]:
        """The place as a message to a program or a component; a full line is an error."""
        if self.refused:
            return {"kind": "error", "sentence": self.sentence}
        return {"kind": "waiting", "ticket": self.ticket, "ahead": self.ahead, "sentence": self.sentence}


class Line:
    """Who runs and who waits, in order. May be used by several threads.

    Args:
        most: runs that the line has room for.
        beat: seconds after which `queued` tells a place again though it is the same.
    """

    def __init__(self, beat: float = BEAT, most: int = MOST) -> None:
        self._most = most
        self._tickets: list[str] = []
        self._ended: set[str] = set()
        self._moved, self._beat = threading.Condition(), beat

    def __len__(self) -> int:
        return len(self._tickets)

    def queued(self, run: Generator[Item, None, None]) -> Iterator[Item | Waiting]:
        """The items of a run once it is its turn, and before them its place: at once, when it changes, and at every beat.

        The last place has none ahead: the run begins, or its place was given up. Where the line is full there is one item, which
        says so. Closing the iterator gives up the place, or ends the run.
        """
        with self._place() as ticket, closing(run):
            if not ticket:
                yield Waiting("", self._most)
                return
            while ahead := self._ahead(ticket):
                yield Waiting(ticket, ahead)
                self._wait(ticket, ahead)
            yield Waiting(ticket, 0)
            for item in run if ticket in self._tickets else ():
                if ticket in self._ended:
                    break
                yield item

    def leave(self, ticket: str) -> None:
        """Gives up a place; changes nothing where the run has begun."""
        with self._moved:
            if self._ahead(ticket):
                self._remove(ticket)

    def end(self, ticket: str) -> None:
        """Gives up a place, or ends the run that has begun before its next item."""
        with self._moved:
            self.leave(ticket)
            if ticket in self._tickets:
                self._ended.add(ticket)

    @contextmanager
    def _place(self) -> Iterator[str]:
        """A ticket of the line for as long as it is held; empty where there is no room."""
        ticket = secrets.token_urlsafe(16)               # cannot be guessed, so nobody gives up another's place
        with self._moved:
            if len(self._tickets) >= self._most:
                ticket = ""
            else:
                self._tickets.append(ticket)
        try:
            yield ticket
        finally:
            self._remove(ticket)
            self._ended.discard(ticket)

    def _ahead(self, ticket: str) -> int:
        with self._moved:
            return self._tickets.index(ticket) if ticket in self._tickets else 0

    def _wait(self, ticket: str, ahead: int) -> None:
        with self._moved:
            self._moved.wait_for(lambda: self._ahead(ticket) != ahead, self._beat)

    def _remove(self, ticket: str) -> None:
        with self._moved:
            if ticket in self._tickets:
                self._tickets.remove(ticket)
                self._moved.notify_all()
