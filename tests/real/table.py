"""Tables of measurements, as text for people."""

from collections.abc import Sequence

Cell = str | int | float | None


def render(heads: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Columns as wide as their widest cell; numbers to the right."""
    texts = [[_text(cell) for cell in row] for row in rows]
    widths = [max(len(line[column]) for line in [list(heads), *texts]) for column in range(len(heads))]
    numeric = [all(isinstance(row[column], int | float | None) for row in rows) for column in range(len(heads))]

    def line(cells: Sequence[str]) -> str:
        justified = [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(cells, widths, numeric, strict=True)
        ]
        return f"    {'  '.join(justified)}".rstrip()

    return "\n".join([line(heads), line(["-" * width for width in widths]), *map(line, texts)])


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.3f}" if abs(cell) < 1 else f"{cell:.1f}"
    return str(cell)
