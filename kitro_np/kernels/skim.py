"""Skim over the dicts of a large pickle: where each value lies in the file, without making any of them.

A value becomes a row of the *tape*, before those that it contains. Only what trackers write by the million
is known here: lists and dicts with keys that came before, numbers, texts, tuples, NumPy's scalars, and arrays
whose record was met before. At anything else the dict is left to the parser of safe_io/pickle_tree.py.

Nothing checks an index here but the code itself: every read of the file is within it, whatever it holds.
"""

from __future__ import annotations

from .jit import entry, kernel

KIND, AT, SIZE, AFTER = range(4)
"""Columns of the tape: kind; value or place in the file; items, or form of an array; row after its last."""

OTHER, INTEGER, REFERENCE, ARRAY, LIST, DICT, TUPLE, SCALAR = range(8)
"""Kinds; the last is NumPy's function that makes a scalar."""

UNKNOWN, OUTSIDE, NAMED, WRAPPER, SCALARS, FIRST = range(6)
"""What the pickle's memo holds: nothing that is known here, a value that the parser made, the key of a dict
that was skimmed, the class of joblib's records, NumPy's function that makes a scalar; from the last on, rows
of the tape."""

FORM_START, FORM_LENGTH, FORM_BYTES, FORM_ALIGNED, FORM_COUNTED = range(5)
"""Columns of forms: where the record begins and how long it is, bytes of the array, whether they are aligned,
and how many objects the record counts."""

ITEM_KEY, ITEM_KEY_END, ITEM_START, ITEM_END, ITEM_COUNTED, ITEM_ROW = range(6)
"""Columns of items: where the key, but for that of the first, and the dict begin and end; how many objects
come before the dict; and its row."""


@entry
def skim(data, pos, counted, row, forms, records, tape, memo, items, stack, marks):
    """Skim over a dict that begins at `pos`, and over the texts and dicts after it.

    Returns
    -------
    tuple of int
        How many dicts are known throughout; where the last one ends; objects counted and rows used by then.
    """
    number, before = 0, counted
    following, counted, row, last = pos, counted, row, pos
    while number < items.shape[0]:
        item = items[number]
        if number:
            following = _skip_frame(data, following)
            if following + 1 >= data.size or data[following] != 0x8C:  # SHORT_BINUNICODE
                break
            start = following + 2
            following = start + int(data[following + 1])
            if following >= data.size or data[following] != 0x94 or before >= memo.size:  # MEMOIZE
                break
            if not _is_ascii(data, start, following):
                break
            item[ITEM_KEY], item[ITEM_KEY_END] = start, following
            memo[before] = NAMED
            before += 1
            following = _skip_frame(data, following + 1)
        item[ITEM_START], item[ITEM_COUNTED], item[ITEM_ROW] = following, before, row
        following, before, after = _skim_dict(
            data, following, before, row, forms, records, tape, memo, stack, marks
        )
        if following < 0:
            memo[counted:before] = UNKNOWN
            break
        item[ITEM_END] = last = following
        counted, row = before, after
        number += 1
    return number, last, counted, row


@kernel
def _skim_dict(data, start, counted, row, forms, records, tape, memo, stack, marks):
    """Return where a dict ends, or -1; how many objects the memo has then; and the tape's next row."""
    pos, depth, top, base, form = start, 0, 0, 0, 0
    while pos < data.size and row < tape.shape[0] and counted < memo.size and top < stack.size:
        code = int(data[pos])
        if depth == 0 and code != (0x28 if top else 0x7D) and (code != 0x94 or pos > start + 1):
            break
        pos += 1
        kind, value, size, merged = -1, pos, 0, 0
        if code == 0x94:  # MEMOIZE
            if top == base:
                break
            memo[counted] = FIRST + stack[top - 1]
            counted += 1
        elif code == 0x95:  # FRAME
            pos += 8
        elif code == 0x68 or code == 0x6A:  # BINGET, LONG_BINGET
            length = 1 if code == 0x68 else 4
            value = _number(data, pos, length)
            known = memo[value] if value < counted else UNKNOWN
            if known == UNKNOWN:
                break
            kind = SCALAR if known == SCALARS else REFERENCE
            if known == WRAPPER:
                form = _find(data, pos - 1, forms, records, form)
                if form < 0:
                    break
                counted += forms[form, FORM_COUNTED]
                pos += forms[form, FORM_LENGTH] - 1
                if forms[form, FORM_ALIGNED]:
                    pos += 1 + int(data[pos])
                kind, value, size = ARRAY, pos, form
                length = forms[form, FORM_BYTES]
            pos += length
        elif code == 0x28:  # MARK: items of the container before it follow
            if top == base or depth == marks.size:
                break
            marks[depth] = base
            base = top
            depth += 1
        elif code == 0x65 or code == 0x75:  # APPENDS, SETITEMS
            if depth == 0 or not _fill(tape, memo, stack, base - 1, base, top, code == 0x75, row):
                break
            top = base
            depth -= 1
            base = marks[depth]
            if depth == 0:
                following = _skip_frame(data, pos)
                if following >= data.size or data[following] != 0x28:
                    return pos, counted, row
                pos = following
        elif code == 0x61 or code == 0x73:  # APPEND, SETITEM
            first = top - (1 if code == 0x61 else 2)
            if first <= base or not _fill(tape, memo, stack, first - 1, first, top, code == 0x73, row):
                break
            top = first
        elif code == 0x5D:  # EMPTY_LIST
            kind = LIST
        elif code == 0x7D:  # EMPTY_DICT
            kind = DICT
        elif code == 0x4B or code == 0x4D or code == 0x4A:  # BININT1, BININT2, BININT
            length = 1 if code == 0x4B else 2 if code == 0x4D else 4
            kind, value = INTEGER, _number(data, pos, length)
            pos += length
        elif code == 0x47:  # BINFLOAT
            kind = OTHER
            pos += 8
        elif code == 0x4E or code == 0x88 or code == 0x89:  # NONE, NEWTRUE, NEWFALSE
            kind = OTHER
        elif code == 0x8C or code == 0x58 or code == 0x43 or code == 0x42:  # texts and bytes, short and long
            kind = OTHER
            length = 1 if code == 0x8C or code == 0x43 else 4
            last = pos + length + _number(data, pos, length)
            is_text = code == 0x8C or code == 0x58
            if last > data.size or (is_text and not _is_ascii(data, pos + length, last)):
                break
            pos = last
        elif code == 0x85 or code == 0x86 or code == 0x87:  # TUPLE1, TUPLE2, TUPLE3
            merged = code - 0x84
            if top - base < merged:
                break
            tape[stack[top - merged], KIND] = TUPLE
        elif code == 0x52:  # REDUCE
            merged = 2
            if top - base < 2 or tape[stack[top - 2], KIND] != SCALAR or tape[stack[top - 1], KIND] != TUPLE:
                break
            tape[stack[top - 2], KIND] = OTHER
        else:
            break
        if merged:
            top -= merged - 1
            tape[stack[top - 1], AFTER] = row
        if kind >= 0:
            tape[row, KIND], tape[row, AT], tape[row, SIZE], tape[row, AFTER] = kind, value, size, row + 1
            stack[top] = row
            top += 1
            row += 1
    return -1, min(counted, memo.size), row


@kernel
def _fill(tape, memo, stack, place, first, top, pairs, row):
    """Put the values stack[first:top] into the container at stack[place]; False if they do not fit."""
    container = stack[place]
    if tape[container, KIND] != (DICT if pairs else LIST) or (pairs and (top - first) % 2):
        return False
    if pairs:
        for k in range(first, top, 2):
            key = stack[k]
            if tape[key, KIND] != REFERENCE or memo[tape[key, AT]] != OUTSIDE:
                return False
    tape[container, SIZE] += top - first
    tape[container, AFTER] = row
    return True


@kernel
def _find(data, pos, forms, records, likely):
    """Return the form whose record begins here, or -1: likely that of the last array, or the next."""
    for k in range(forms.shape[0]):
        form = (likely + k) % forms.shape[0]
        start, length = forms[form, FORM_START], forms[form, FORM_LENGTH]
        same = 0
        if pos + length < data.size:
            while same < length and data[pos + same] == records[start + same]:
                same += 1
        if same == length:
            return form
    return -1


@kernel
def _number(data, pos, length):
    """Return an unsigned number; 0 if the file ends within it, so that the next place is outside."""
    number = 0
    for k in range(length if pos + length <= data.size else 0):
        number += int(data[pos + k]) << (8 * k)
    return number


@kernel
def _is_ascii(data, start, end):
    most = 0
    for k in range(start, end):
        most = max(most, data[k])
    return most < 0x80


@kernel
def _skip_frame(data, pos):
    """Skip the hint on how much to read ahead, if there is one."""
    return pos + 9 if pos < data.size and data[pos] == 0x95 else pos


@entry
def find_key(tape, dicts, numbers, found):
    """Find each dict's value under a key, whose text has these numbers in the memo; 0 if it has none."""
    for k in range(dicts.size):
        found[k] = 0
        row = dicts[k] + 1
        for _ in range(0, tape[dicts[k], SIZE], 2):
            for number in numbers:
                if tape[row, AT] == number:
                    found[k] = row + 1
            row = tape[row + 1, AFTER]


@entry
def find_items(tape, lists, found):
    """Find the items of each list, one after the other."""
    place = 0
    for k in range(lists.size):
        row = lists[k] + 1
        for _ in range(tape[lists[k], SIZE]):
            found[place] = row
            place += 1
            row = tape[row, AFTER]
