"""Draws commands and their output as an SVG picture of a terminal. Lines that begin with `$ ` are commands; colours are kept.

usage: { echo '$ COMMAND'; CLICOLOR_FORCE=1 COMMAND; } | python3 docs/terminal_picture.py > docs/NAME.svg
"""

import html
import re
import sys

CELL_WIDTH, LINE_HEIGHT, MARGIN = 8.43, 20, 18
TEXT, COMMAND = "#d8dee9", "#88c0d0"
COLOURS = {"31": "#d57780", "33": "#ebcb8b", "34": "#81a1c1", "35": "#b48ead", "36": "#8fbcbb"}


def spans(line: str) -> list[tuple[str, str]]:
    """Stretches of one colour, each with its colour."""
    if line.startswith("$ "):
        return [(line, COMMAND)]
    colour, found = TEXT, []
    for text, code in re.findall(r"([^\x1b]*)(?:\x1b\[([\d;]*)m)?", line):
        if text:
            found.append((text, colour))
        if code:
            colour = COLOURS.get(code, TEXT)
    return found


def main() -> None:
    lines = [spans(line) for line in sys.stdin.read().expandtabs().rstrip().split("\n")]
    length = [sum(len(text) for text, _ in line) for line in lines]
    width = round(2 * MARGIN + CELL_WIDTH * max(length))
    height = 2 * MARGIN + LINE_HEIGHT * len(lines)
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">')
    print(f'<rect width="{width}" height="{height}" rx="10" fill="#1d2433"/>')
    print(f'<g font-family="ui-monospace, \'DejaVu Sans Mono\', Menlo, Consolas, monospace" font-size="14" fill="{TEXT}">')
    for row, line in enumerate(lines):
        column = 0
        for text, colour in line:
            if text.strip():
                # A fixed length for each stretch keeps columns aligned in whatever monospaced font is at hand.
                x, y = MARGIN + CELL_WIDTH * column, MARGIN + LINE_HEIGHT * (row + 0.75)
                fill = "" if colour == TEXT else f' fill="{colour}"'
                print(
                    f'<text x="{x:g}" y="{y:g}" textLength="{CELL_WIDTH * len(text):.1f}" xml:space="preserve"{fill}>'
                    f"{html.escape(text)}</text>"
                )
            column += len(text)
    print("</g>\n</svg>")


if __name__ == "__main__":
    main()
