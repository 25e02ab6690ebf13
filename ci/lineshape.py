"""The shape of a line of output: what is left of it when all that differs each time is taken out.

Two builds that do the same print lines of the same shapes: where times, numbers, hashes, addresses
or names of temporary files stand in them, the shape has `#`. Pure.

A log has many lines and few shapes. So each digit is made a `0` first, and what comes of that, for
a line and for a word of it, is remembered: ten times as fast.
"""

from __future__ import annotations

import re
from typing import Final

import re2

from ci.linenumbers import Numbers, find_numbers

KNOWN_BYTES: Final = 16 << 20  # of memory for lines that are remembered, and as many for words
_ENTRY_BYTES: Final = 200  # of memory that one of them takes beside its own bytes, about

_DIGITS: Final = bytes.maketrans(b"123456789", b"000000000")

_UNIT: Final = (
    rb"(?:(?:[num]?s|\xc2\xb5s|\xce\xbcs|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?"
    rb"|(?:[kKMGT]i?)?B(?:/s)?|bytes?)(?![A-Za-z0]))"
)
# Within a word. Each needs a 0, or takes out nothing that it has put in: so the shape of a shape
# is that shape.
_VARIES: Final = re.compile(
    rb"\b0x[0a-fA-F]++"
    rb"|\b[0a-fA-F]{8}(?:-[0a-fA-F]{4}){3}-[0a-fA-F]{12}\b"  # a UUID
    rb"|(?<![\w:.])(?=[a-fA-F:]*+0)(?:[0a-fA-F]{0,4}:){2,7}[0a-fA-F]{1,4}(?![\w:])"  # IPv6
    rb"|\b(?=[a-fA-F]*+0)[0a-fA-F]{7,}\b"  # a hash
    rb"|(?<![A-Za-z])[A-Za-z]*+0++[A-Za-z]++0[A-Za-z0]*+"  # what nobody has thought up: `x7f9k`
    # Numbers, times, dates, addresses with their ports, with a unit.
    rb"|0++(?:[.,:/_-]0++)*+" + _UNIT + rb"?+"
)
_TEMPORARY: Final = re.compile(rb"(?:(?<=/tmp/)|(?<=/dev/shm/))[^/:,;\"'()\[\]]++")
_PATH: Final = re.compile(rb"[\w./@+#-]++")
_OWN_FOLDER: Final = re.compile(rb"\A.*/work/0++\.0++\.0++")  # of an attempt, on any agent
# Rules, bars of progress, the dots of test runners; drawn ones, and what turns around.
_RUN: Final = re.compile(
    rb"[=.*~>_+-]{3,}|(?:\xe2[\x94-\x96][\x80-\xbf])+|\xe2[\xa0-\xa3][\x80-\xbf]"
)
_MANY: Final = re.compile(rb"#{2,}")

# Between words.
_DAYS: Final = (
    *("Mon", "Tue", "Tues", "Wed", "Thu", "Thurs", "Fri", "Sat", "Sun"),
    *("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    *("Jan", "Feb", "Mar", "Apr", "Jun", "Jul", "Aug", "Sep", "Sept", "Oct", "Nov", "Dec"),
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
_DAY: Final = rb"(?:" + b"|".join(day.encode() for day in sorted(_DAYS, key=len)[::-1]) + rb")"
_DAY_WORDS: Final = frozenset(day.encode() + end for day in _DAYS for end in (b"", b","))
_BEFORE: Final = re.compile(rb"(?:(?<![\w#])(?:" + _DAY + rb",? )++)(?<!/tmp/)(?<!/shm/)#")
_TOGETHER: Final = re.compile(
    rb"(?<!/tmp/)(?<!/shm/)#"
    rb"(?:[, /-]{1,2}(?:#|"
    + _UNIT
    + rb"|"
    + _DAY
    + rb"|UTC|GMT|CES?T|[ECMP][SD]T|[AP]M)(?![\w#]))*+"
)
_BRACKET: Final = re.compile(rb"(?<=[\[(]) #|# (?=[\])])")  # `[  5%]` is no other than `[100%]`

# Numbers that are words: to fail 3 times is not to fail 0 times, the status of an answer or of a
# process is its name, and many a failure is a new version of something.
_FAILING: Final = (
    rb"(?:fail(?:ed|ing|ures?|s)?|errors?|broken|crashed|killed|aborted|timed out|problems?"
    rb"|vulnerabilit(?:y|ies))"
)
_COUNTS: Final = re.compile(
    rb"(?i:(?<![^ (\[,;])0{1,6} (?:tests? )?" + _FAILING + rb"(?![^ ,;:)\]])"
    rb"|(?<![^ (\[,;\"'])(?:"
    + _FAILING
    + rb"|exit(?:ed)?(?: with)?|(?:exit_|ret|return)?code|rc|status|returned|signal|errno|http"
    rb"|responded(?: with)?)[=: (]{1,2}0{1,6}"
    rb"(?=\.?(?:[ ,;:)\]\"']|$))(?![,:]0)"
    rb"|(?<![^ (\[\"'])(?:get|head|post|put|patch|delete|http/0(?:\.0)?\"?) 000(?![^ ])"
    # Only the status: the rest of an address differs as it does elsewhere.
    rb"|(?<![^ (\[\"'])(?:get|head|post|put|patch|delete) [\"']?(?:/|https?://)[^ ]*+"
    rb"(?: http/0(?:\.0)?)?[\"']?:? (?:[|-] )?(000)(?![^ ,;)])(?! (?:[num]?s|[km]?i?b|bytes)\b)"
    rb"|(?<![^ ])(?:->|\xe2\x86\x92) 000(?![^ ,;)])(?! [num]?s\b)"
    rb"|(?<![0.])(?<!/work/)0{1,4}\.0{1,4}\.0{1,3}(?!\w|[.:/-]0))"
)
# A line without any of these has no such number. RE2 looks for all of them at once.
_MAY_COUNT: Final = re2.compile(
    rb"(?i:fail|err(?:or|no)|broken|crashed|killed|aborted|timed out|problem|vulnerabilit"
    rb"|exit|code|status|returned|signal|rc[=: ]|responded|http[/ ]0"
    rb"|(?:get|head|post|put|patch|delete) (?:0|[\"']?/|[\"']?http)|-> 0|" + "→ 0)".encode()
)
# Such a number is made of 1, which nothing takes out, while the rest is taken out.
_ZEROS: Final = re.compile(rb"0+")
_ONES: Final = re.compile(rb"1+")

_Places = tuple[slice, ...]


class Shapes:
    """Tells the shapes of lines, and remembers those that it has told."""

    def __init__(self, room: int = KNOWN_BYTES) -> None:
        """Remember so many bytes of lines, and of words."""
        self._room = room
        self._lines: dict[bytes, tuple[bytes, _Places, Numbers | None]] = {}
        self._words: dict[bytes, bytes] = {}
        self._lines_room = self._words_room = room

    def of(self, lines: list[bytes]) -> list[bytes]:
        """Return the shape of each line; these are plain, without escape sequences and ends."""
        return self.read(lines)[0]

    def read(self, lines: list[bytes]) -> tuple[list[bytes], list[Numbers | None]]:
        """Return the shape of each line, and where the numbers are that this has taken out."""
        known = self._lines
        made, varying = [], []
        for line in lines:
            bare = line.translate(_DIGITS)
            shape, counting, numbers = known.get(bare) or self._learn(bare)
            if counting:
                tidy = b" ".join(line.split())
                shape = _fill(shape, [tidy[place] for place in counting])
            made.append(shape)
            varying.append(numbers)
        return made, varying

    def _learn(self, bare: bytes) -> tuple[bytes, _Places, Numbers | None]:
        """Find out the shape of a line whose digits are all 0, and where which numbers are."""
        tidy, counting = _count(b" ".join(bare.split()))
        words = tidy.split()
        known = self._words
        shape = b" ".join(
            [
                word if word.isalpha() else known.get(word) or self._learn_word(word)
                for word in words
            ]
        )
        if b"#" in shape:
            shape = _TOGETHER.sub(b"#", shape)
            if not _DAY_WORDS.isdisjoint(words):
                shape = _BEFORE.sub(b"#", shape)
            shape = _BRACKET.sub(lambda found: found[0].strip(), shape)
        numbers = find_numbers(bare) if b"#" in shape else None
        self._lines_room -= 2 * len(bare) + _ENTRY_BYTES
        if self._lines_room < 0:
            self._lines.clear()
            self._lines_room = self._room
        self._lines[bare] = shape, counting, numbers
        return shape, counting, numbers

    def _learn_word(self, word: bytes) -> bytes:
        shape = word
        if b"/work/0" in shape:
            # Whole paths one after the other: to look for one that ends so would begin anew at
            # each letter of a long word.
            shape = _PATH.sub(lambda path: _OWN_FOLDER.sub(b"#", path[0]), shape)
        if b"0" in shape:
            shape = _VARIES.sub(b"#", shape)
        shape = _MANY.sub(b"#", _RUN.sub(b"#", shape))
        if b"/tmp/" in shape or b"/dev/shm/" in shape:
            shape = _TEMPORARY.sub(b"#", shape)
        self._words_room -= 2 * len(word) + _ENTRY_BYTES
        if self._words_room < 0:
            self._words.clear()
            self._words_room = self._room
        self._words[word] = shape
        return shape


def _count(tidy: bytes) -> tuple[bytes, _Places]:
    """Make the numbers that count of 1 instead of 0, and say where they are."""
    if b"0" not in tidy or not (tidy.count(b".0") > 1 or _MAY_COUNT.search(tidy)):
        return tidy, ()
    places = tuple(
        slice(*number.span())
        for count in _COUNTS.finditer(tidy)
        for number in _ZEROS.finditer(tidy, *count.span(count.lastindex or 0))
    )
    marked = bytearray(tidy)
    for place in places:
        marked[place] = b"1" * (place.stop - place.start)
    return bytes(marked), places


def _fill(shape: bytes, numbers: list[bytes]) -> bytes:
    """Put the numbers that count into a shape; one of them may have been taken out with a path."""
    pieces = _ONES.split(shape)
    if len(pieces) != len(numbers) + 1:
        return shape
    return b"".join(map(bytes.__add__, pieces, [*numbers, b""]))
