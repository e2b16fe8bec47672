"""The parser of WAVE text: from characters to the tree of one value or call, without types.

Written by hand: one regular expression finds each token, and each error can say what would have
been right at that place. Source: the WAVE format description of the wasm-tools project.
"""

import re
from typing import Final, final

from wit.errors import ParseError
from wit.excerpt import parse_error
from wit.limits import WAVE_CHARACTERS_MAX, WAVE_DEPTH_MAX
from wit.wave_nodes import (
    Call,
    CharacterNode,
    FieldNode,
    FlagsNode,
    LabelNode,
    ListNode,
    Node,
    NumberNode,
    Outcome,
    RecordNode,
    StringNode,
    TupleNode,
)

__all__ = ["parse_call", "parse_outcome", "parse_value_text"]


def parse_value_text(text: str) -> Node:
    """Return the tree of one value.

    Raises:
        ParseError: with the place and what was expected there.
    """
    parser = _Parser(text)
    parser.advance()
    node = parser.value("a value")
    parser.end("end of text")
    return node


def parse_call(text: str) -> Call:
    """Return the call that the text says, its arguments not yet bound to types.

    Raises:
        ParseError: with line, column and what was expected there.
    """
    plain = _PLAIN_CALL.fullmatch(text)
    if plain is not None:
        return _plain_call(plain)
    parser = _Parser(text)
    call = parser.call()
    parser.end("end of text: only one call")
    return call


def parse_outcome(text: str) -> Outcome:
    """Return a call with its result as the text says them, `f(1) -> ok(2)`, not yet bound.

    Without `->`, and for `-> ()`, there is no result; `-> (0: x)` and `-> (name: x)` are `-> x`.

    Raises:
        ParseError: with line, column and what was expected there.
    """
    parser = _Parser(text)
    call = parser.call()
    result = parser.result()
    parser.end("end of text: only one call")
    return Outcome(call, result)


def _plain_call(found: re.Match[str]) -> Call:
    """Return a call with a few numbers and strings, or none: most calls, and soonest read."""
    arguments: list[Node] = []
    # Behind the name, numbers have the even groups and strings the odd ones.
    for group in range(2, (found.lastindex or 1) + 1):
        value = found[group]
        if value is not None:
            offset = found.start(group)
            is_string = group % 2
            arguments.append(
                StringNode(offset - 1, value) if is_string else NumberNode(offset, value)
            )
    return Call(found[1], tuple(arguments), None, found.string)


# Possessive: a comment must not be given back to find a token inside it.
_SKIP: Final = r"(?>[ \t\r\n]+|//[^\n]*)*+"
_LABEL: Final = r"[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*"
_TOKEN: Final = re.compile(
    _SKIP
    + rf"""(?:
      (?P<label>%?{_LABEL})
    | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![0-9A-Za-z.]) | -inf\b)
    | (?P<multiline>\"\"\")
    | (?P<string>"(?:[^"\\\n]|\\.)*")
    | (?P<char>'(?:[^'\\\n]|\\(?:u\{{[^}}'\n]*\}}|.))')
    | (?P<arrow>->)
    | (?P<mark>[()\[\]{{}},:.])
    )""",
    re.VERBOSE,
)
# No `%`, no resource: what these expressions do not take, the parser does, and means the same.
_PLAIN: Final = r"(?:(-?+(?:0|[1-9][0-9]{0,300}+))|\"([^\"\\\n]{0,1000}+)\")"
# Its groups are not possessive: Python 3.11.2 goes on behind what one took before it failed.
_PLAIN_CALL: Final = re.compile(
    r"([A-Za-z\[][A-Za-z0-9\[\]:/@.+#_-]*+)"
    rf"\((?:{_PLAIN}{rf'(?:, ?+{_PLAIN})?' * 3})?\)"
)
_RESULT_ENTRY: Final = re.compile(rf"\({_SKIP}(?:%?{_LABEL}|0){_SKIP}:")
_SPACE: Final = re.compile(_SKIP)
_PATH: Final = re.compile(_SKIP + r"([A-Za-z%\[][A-Za-z0-9%\[\]:/@.+#_-]*)")
_LINE_BREAK: Final = re.compile(r"\r?\n")
_HEX: Final = re.compile("[0-9A-Fa-f]{1,8}")
_METHOD: Final = re.compile(_SKIP + rf"(%?{_LABEL})")
_ESCAPE: Final = re.compile(r"\\(u\{([^}]*)\}|.|$)", re.DOTALL)
_SIMPLE_ESCAPES: Final = {
    "'": "'",
    '"': '"',
    "\\": "\\",
    "t": "\t",
    "n": "\n",
    "r": "\r",
}


@final
class _Parser:
    """Reads one text from left to right, one token ahead.

    The current token is `_kind`, `_token` and `_offset`; marks are their own kind and the end of
    text is the empty kind. `_position` stands behind the current token.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._depth = 0
        self._kind = ""
        self._token = ""
        self._offset = 0
        if len(text) > WAVE_CHARACTERS_MAX:
            raise self._error(f"{len(text)} characters, at most {WAVE_CHARACTERS_MAX} are read", 0)

    def advance(self) -> None:
        """Make the next token the current one."""
        found = _TOKEN.match(self._text, self._position)
        if found is None:
            self._at_end()
            return
        kind = found.lastgroup
        assert kind is not None, "each alternative of the token pattern is a group"
        self._token = token = found[kind]
        self._position = found.end()
        self._offset = self._position - len(token)
        self._kind = token if kind == "mark" else kind

    def end(self, expected: str) -> None:
        """Raise unless the current token is the end of text."""
        if self._kind:
            raise self._unexpected(expected)

    def call(self) -> Call:
        """Read one call; no token has been read before."""
        function, constructor = self._function()
        arguments = self._arguments("`(` and the arguments after the name of the function")
        if self._kind == "." and constructor is None and "{" not in function:
            constructor = arguments
            function += f".{self._method()}"
            arguments = self._arguments("`(` and the arguments after the name of the method")
        return Call(function, arguments, constructor, self._text)

    def result(self) -> Node | None:
        """Read `->` and a result behind a call, None if there is no result."""
        if self._kind != "arrow":
            return None
        self.advance()
        if not self._at("("):
            return self.value("a result")
        found = _RESULT_ENTRY.match(self._text, self._offset)
        if found is None:
            value = self.value("a result")
            # `()` is no result; a tuple without elements is no type that WIT could write.
            return None if value == TupleNode(value.offset, ()) else value
        opened = self._open()
        self._position = found.end()
        self.advance()
        value = self.value("a result")
        if self._at(","):
            self.advance()
        self._close(")", "`)`, as a function has one result at most", opened)
        return value

    def value(self, expected: str) -> Node:
        """Read one value, which begins with the current token."""
        kind, offset, token = self._kind, self._offset, self._token
        match kind:
            case "number":
                node: Node = NumberNode(offset, token)
            case "string":
                node = StringNode(offset, self._unescaped(token[1:-1], offset + 1))
            case "label":
                return self._label()
            case "[":
                return ListNode(offset, self._items("]"))
            case "(":
                return TupleNode(offset, self._items(")"))
            case "{":
                return self._braces()
            case "char":
                node = CharacterNode(offset, self._unescaped(token[1:-1], offset + 1))
            case "multiline":
                node = StringNode(offset, self._multiline())
            case _:
                raise self._unexpected(expected)
        self.advance()
        return node

    def _at_end(self) -> None:
        space = _SPACE.match(self._text, self._position)
        offset = self._position if space is None else space.end()
        if offset < len(self._text):
            raise self._error(_no_token_reason(self._text, offset), offset)
        self._kind, self._token, self._offset, self._position = "", "", offset, offset

    def _arguments(self, expected: str) -> tuple[Node, ...]:
        if self._kind != "(":
            raise self._unexpected(expected)
        return self._items(")")

    def _items(self, close: str) -> tuple[Node, ...]:
        """Read from the current opening bracket to behind the closing one."""
        opened = self._open()
        items: list[Node] = []
        append = items.append
        while self._kind != close:
            append(self.value(f"a value or `{close}`"))
            if self._kind != ",":
                break
            self.advance()
        self._close(close, f"`,` or `{close}`", opened)
        return tuple(items)

    def _open(self) -> int:
        opened = self._offset
        self._depth += 1
        if self._depth > WAVE_DEPTH_MAX:
            raise self._error(f"brackets nest deeper than {WAVE_DEPTH_MAX} levels", opened)
        self.advance()
        return opened

    def _close(self, close: str, expected: str, opened: int) -> None:
        if self._kind != close:
            if self._kind:
                raise self._unexpected(expected)
            # The end of the text explains nothing; the bracket without a partner does.
            raise self._error(
                f"`{self._text[opened]}` is never closed: expected {expected}", opened
            )
        self._depth -= 1
        self.advance()

    def _label(self) -> LabelNode:
        offset, name = self._offset, self._token
        self.advance()
        escaped = name[0] == "%"
        if escaped:
            name = name[1:]
        if self._kind != "(":
            return LabelNode(offset, name, escaped)
        opened = self._open()
        payload = self.value("a payload")
        self._close(")", "`)`, as a payload is one value", opened)
        return LabelNode(offset, name, escaped, payload)

    def _at(self, kind: str) -> bool:
        return self._kind == kind

    def _braces(self) -> RecordNode | FlagsNode:
        opened = self._open()
        if self._at(":"):
            self.advance()
            self._close("}", "`}`, as `{:}` is the record without fields", opened)
            return RecordNode(opened, ())
        fields: list[FieldNode] = []
        labels: list[LabelNode] = []
        while not self._at("}"):
            if not self._at("label"):
                raise self._unexpected("a name or `}`")
            offset, name = self._offset, self._token.removeprefix("%")
            self.advance()
            if labels or (not fields and not self._at(":")):
                labels.append(LabelNode(offset, name))
            else:
                if not self._at(":"):
                    raise self._unexpected(f"`:` and the value of {name}")
                self.advance()
                fields.append(FieldNode(offset, name, self.value(f"the value of {name}")))
            if not self._at(","):
                break
            self.advance()
        self._close("}", "`,` or `}`", opened)
        return RecordNode(opened, tuple(fields)) if fields else FlagsNode(opened, tuple(labels))

    def _multiline(self) -> str:
        """Read from behind the opening quotes to behind the closing ones."""
        text = self._text
        opening = _LINE_BREAK.match(text, self._position)
        if opening is None:
            raise self._error('expected a line break right after `"""`', self._position)
        end = text.find('"""', opening.end())
        if end < 0:
            raise self._error('the multiline string is never closed by `"""`', self._offset)
        self._position = end + 3
        last_line = text.rfind("\n", opening.start(), end) + 1
        indent = text[last_line:end]
        if indent.strip(" "):
            raise self._error('expected a line of its own for the closing `"""`', end)
        if last_line == opening.end():
            return ""
        decoded: list[str] = []
        offset = opening.end()
        for line in text[offset : last_line - 1].split("\n"):
            if not line.startswith(indent):
                raise self._error(
                    f"expected at least {len(indent)} spaces, as many as before the closing quotes",
                    offset,
                )
            body = line[len(indent) :].removesuffix("\r")
            decoded.append(self._unescaped(body, offset + len(indent)))
            offset += len(line) + 1
        return "\n".join(decoded)

    def _unescaped(self, body: str, offset: int) -> str:
        if "\\" not in body:
            return body

        def resolve(found: re.Match[str]) -> str:
            escape, digits = found[1], found[2]
            if escape in _SIMPLE_ESCAPES:
                return _SIMPLE_ESCAPES[escape]
            if digits is None:
                reason = "unknown escape, expected one of \\' \\\" \\\\ \\t \\n \\r \\u{…}"
                raise self._error(reason, offset + found.start())
            code = int(digits, 16) if _HEX.fullmatch(digits) else -1
            if not (0 <= code < 0xD800 or 0xDFFF < code <= 0x10FFFF):
                reason = "expected the hexadecimal number of a Unicode scalar value in \\u{…}"
                raise self._error(reason, offset + found.start())
            return chr(code)

        return _ESCAPE.sub(resolve, body)

    def _function(self) -> tuple[str, tuple[Node, ...] | None]:
        """Read the name of a function and move to the token behind it."""
        path = self._match(_PATH)
        self.advance()
        if not self._at("{"):
            if not path:
                raise self._unexpected("the name of a function")
            return path, None
        opened = self._offset
        name = self._match(_PATH)
        self.advance()
        if not name:
            raise self._unexpected("the name of a function")
        constructor: tuple[Node, ...] | None = None
        if self._at("("):
            constructor = self._items(")")
            if not self._at("."):
                raise self._unexpected("`.` and the name of the method")
            name += f".{self._method()}"
        if not self._at("}"):
            reason = f"expected `}}` after the name of the function, got {self._shown()}"
            raise self._error(reason, self._offset if self._kind else opened)
        self.advance()
        return f"{path}{{{name}}}", constructor

    def _method(self) -> str:
        name = self._match(_METHOD)
        self.advance()
        if not name:
            raise self._unexpected("the name of a method")
        return name

    def _match(self, pattern: re.Pattern[str]) -> str:
        """Read what the pattern finds behind the current token, without `%`; perhaps nothing."""
        found = pattern.match(self._text, self._position)
        if found is None:
            return ""
        self._position = found.end()
        return found[1].replace("%", "")

    def _shown(self) -> str:
        return f"`{self._token}`" if self._kind else "end of text"

    def _unexpected(self, expected: str) -> ParseError:
        reason = f"expected {expected}, got {self._shown()}"
        return parse_error(reason, self._text, self._offset, length=len(self._token))

    def _error(self, reason: str, offset: int) -> ParseError:
        return parse_error(reason, self._text, offset)


def _no_token_reason(text: str, offset: int) -> str:
    """Return why no token begins at the offset."""
    character = text[offset]
    if character == '"':
        return "the string does not end on its line: close it, or write \\n for a line break"
    if character == "'":
        return "expected one character and a closing quote"
    if character.isdigit() or character == "-":
        return (
            "malformed number: digits without leading zeros, then perhaps a fraction, an exponent"
        )
    if character == "%":
        return "expected a name right after %"
    return f"unexpected character `{character}`"
