"""Draws commands and their output as an SVG picture of a terminal. Lines that begin with `$ ` are commands; colours are kept.

usage: { echo '$ COMMAND'; CLICOLOR_FORCE=1 COMMAND; } | python3 docs/terminal_picture.py > docs/NAME.svg
"""

import html
import re
import sys

CELL_WIDTH, LINE_HEIGHT, MARGIN = 8.43, 20, 18
TEXT, COMMAND = "#d8dee9", "#88c0d0"
CUBE = (0, 95, 135, 175, 215, 255)


def colour(number: int) -> str:
    """One of the colours 16 to 231 of xterm's 256."""
    at = number - 16
    return "#" + "".join(f"{CUBE[step]:02x}" for step in (at // 36, at // 6 % 6, at % 6))


def spans(line: str) -> list[tuple[str, str, str]]:
    """Stretches of one colour, each with its colour and its ground's, which is empty where there is none of its own."""
    if line.startswith("$ "):
        return [(line, COMMAND, "")]
    letters, ground, found = TEXT, "", []
    for text, code in re.findall(r"([^\x1b]*)(?:\x1b\[([\d;]*)m)?", line):
        if text:
            found.append((text, letters, ground))
        if code in ("", "0"):
            letters, ground = (TEXT, "") if code else (letters, ground)
            continue
        for place, number in re.findall(r"([34])8;5;(\d+)", code):
            if place == "3":
                letters = colour(int(number))
            else:
                ground = colour(int(number))
    return found


def main() -> None:
    lines = [spans(line) for line in sys.stdin.read().expandtabs().rstrip().split("\n")]
    length = [sum(len(text) for text, *_ in line) for line in lines]
    width = round(2 * MARGIN + CELL_WIDTH * max(length))
    height = 2 * MARGIN + LINE_HEIGHT * len(lines)
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">')
    print(f'<rect width="{width}" height="{height}" rx="10" fill="#1d2433"/>')
    print(f'<g font-family="ui-monospace, \'DejaVu Sans Mono\', Menlo, Consolas, monospace" font-size="14" fill="{TEXT}">')
    for row, line in enumerate(lines):
        column = 0
        for text, letters, ground in line:
            if ground:
                x, y = MARGIN + CELL_WIDTH * column, MARGIN + LINE_HEIGHT * row + 1
                print(f'<rect x="{x:g}" y="{y:g}" width="{CELL_WIDTH * len(text):.1f}" height="{LINE_HEIGHT - 1}" fill="{ground}"/>')
            if text.strip():
                # A fixed length for each stretch keeps columns aligned in whatever monospaced font is at hand.
                x, y = MARGIN + CELL_WIDTH * column, MARGIN + LINE_HEIGHT * (row + 0.75)
                fill = "" if letters == TEXT else f' fill="{letters}"'
                print(
                    f'<text x="{x:g}" y="{y:g}" textLength="{CELL_WIDTH * len(text):.1f}" xml:space="preserve"{fill}>'
                    f"{html.escape(text)}</text>"
                )
            column += len(text)
    print("</g>\n</svg>")


if __name__ == "__main__":
    main()
