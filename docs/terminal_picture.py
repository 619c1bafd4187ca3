"""Draws a command's text output as an SVG picture of a terminal.

usage: COMMAND | python3 docs/terminal_picture.py 'COMMAND LINE TO SHOW' > docs/NAME.svg
"""

import html
import sys

CELL_WIDTH, LINE_HEIGHT, MARGIN = 8.43, 20, 18


def main() -> None:
    lines = ["$ " + sys.argv[1], *sys.stdin.read().expandtabs().rstrip().split("\n")]
    width = round(2 * MARGIN + CELL_WIDTH * max(map(len, lines)))
    height = 2 * MARGIN + LINE_HEIGHT * len(lines)
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">')
    print(f'<rect width="{width}" height="{height}" rx="10" fill="#1d2433"/>')
    print('<g font-family="ui-monospace, \'DejaVu Sans Mono\', Menlo, Consolas, monospace" font-size="14" fill="#d8dee9">')
    for row, line in enumerate(lines):
        if line.strip():
            # A fixed length for each line keeps columns aligned in whatever monospaced font is at hand.
            length = CELL_WIDTH * len(line)
            colour = ' fill="#88c0d0"' if row == 0 else ""
            y = MARGIN + LINE_HEIGHT * (row + 0.75)
            print(
                f'<text x="{MARGIN}" y="{y:g}" textLength="{length:.1f}" xml:space="preserve"{colour}>'
                f"{html.escape(line)}</text>"
            )
    print("</g>\n</svg>")


if __name__ == "__main__":
    main()
