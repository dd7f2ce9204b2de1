"""What was measured, as a table and as a plot."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

PEER, SQLITE, POSTGRESQL = "oidc-provider", "SQLite, FULL", "PostgreSQL"
_COLOURS: Final = {PEER: "#949494", SQLITE: "#0017c1", POSTGRESQL: "#4979f5"}
_WIDTH, _LEFT, _BAR, _GAP, _TOP = 760, 230, 14, 20, 56

Results = Mapping[str, Any]


def _names(results: Results) -> Sequence[str]:
    names = dict.fromkeys(name for column in results["columns"].values() for name in column["rates"])
    return list(names)


def _cell(column: Mapping[str, Any], name: str) -> str:
    found = column["rates"].get(name)
    if found is None:
        return ""
    late, refused = found["late"], found["refused"]
    told = f"{found['rate']:,.0f} ({late:,.0f} ms)"
    return told + (f", {refused:,.0f} refused" if refused else "")


def _cost(rates: Mapping[str, Mapping[str, float]], few: str, many: str) -> float:
    return rates[few]["rate"] / rates[many]["rate"]


def table(results: Results) -> str:
    """Markdown."""
    columns: Mapping[str, Any] = results["columns"]
    lines = ["| requests a second (99th percentile) | " + " | ".join(columns) + " |"]
    lines.append("| --- |" + " --: |" * len(columns))
    for name in _names(results):
        lines.append(f"| {name} | " + " | ".join(_cell(column, name) for column in columns.values()) + " |")
    few, many = results["grants"]
    ours = {name: column for name, column in columns.items() if name != PEER}
    single = {
        "100 evaluations by one caller, one after the other, ms": lambda column: (
            f"{100_000 / column['rates']['evaluation, one caller']['rate']:,.0f}"
        ),
        f"cost of an evaluation among {many:,} grants, by that among {few:,}": lambda column: (
            f"{_cost(column['rates'], _grants(few), _grants(many)):.2f} ×"
        ),
        "start, ms": lambda column: f"{column['start_ms']:,.0f}",
    }
    for name, value in single.items():
        cells = [value(column) if key in ours else "" for key, column in columns.items()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    memory = [f"{column['memory_mb']:,.0f}" for column in columns.values()]
    lines.append("| memory of the worker, MB | " + " | ".join(memory) + " |")
    return "\n".join(lines)


def put(page: Path, command: str, text: str) -> None:
    """Put what a command wrote in the place of what its last run did."""
    begin, end = f"<!-- what `{command}` writes -->\n", "<!-- until here -->\n"
    before, _, rest = page.read_text("utf-8").partition(begin)
    page.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}", "utf-8")


def cards_table(cards: Mapping[str, Any]) -> str:
    """What card logins and their lists cost, as Markdown.

    :param cards: what `tests.bench.cards` measured.
    """
    bare, found = cards["logins"][""], cards["list"]
    logins = {name: told for name, told in cards["logins"].items() if name}
    verified = bare["verified"]
    used = {
        "the floor: two RSA-2048 verifications": bare["floor"],
        f"JWS, path, and revocation by a list of {cards['listed']:,}": verified,
        **{f"that, and whose card it is: {name}": verified + told["whose"] for name, told in logins.items()},
        **{f"that, and all that a login writes: {name}": told["used"] for name, told in logins.items()},
        **{f"one caller, by the clock, durable: {name}": told["waited"] for name, told in logins.items()},
    }
    lines = ["| verifying a card login | µs | a second |", "| --- | --: | --: |"]
    lines += [f"| {name} | {each:,.0f} | {1e6 / each:,.0f} |" for name, each in used.items()]
    lines += [
        "",
        f"| a list of {cards['listed']:,}, {cards['list_mb']:,.0f} MB | |",
        "| --- | --: |",
        f"| read and verified, s | {found['load_s']:,.1f} |",
        f"| memory while it is kept, MB | {found['memory_mb']:,.0f} |",
        f"| the most while it is read, MB | {found['peak_mb']:,.0f} |",
        f"| a look-up, µs | {found['look_up_us']:,.0f} |",
    ]
    return "\n".join(lines) + "\n"


def summary(results: Results) -> str:
    """The rates alone, as Markdown."""
    columns: Mapping[str, Any] = results["columns"]
    lines = ["| requests a second | " + " | ".join(columns) + " |", "| --- |" + " --: |" * len(columns)]
    for name in _names(results):
        rates = [column["rates"].get(name) for column in columns.values()]
        cells = ["" if rate is None else f"{rate['rate']:,.0f}" for rate in rates]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _grants(count: int) -> str:
    return f"evaluation, {count:,} grants"


def plot(results: Results) -> str:
    """A bar for each rate, as SVG."""
    columns: Mapping[str, Any] = results["columns"]
    names = _names(results)
    most = max(rate["rate"] for column in columns.values() for rate in column["rates"].values())
    group = len(columns) * _BAR + _GAP
    height = _TOP + group * len(names)
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="sans-serif" font-size="12" role="img">',
        "<title>Requests a second on one core</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for place, column in enumerate(columns):
        x = _LEFT + place * 150
        drawn.append(f'<rect x="{x}" y="18" width="12" height="12" fill="{_COLOURS[column]}"/>')
        drawn.append(f'<text x="{x + 18}" y="28">{column}</text>')
    for row, name in enumerate(names):
        top = _TOP + row * group
        middle = top + len(columns) * _BAR / 2 + 4
        drawn.append(f'<text x="{_LEFT - 10}" y="{middle}" text-anchor="end">{name}</text>')
        for place, (column, told) in enumerate(columns.items()):
            if name in told["rates"]:
                rate, y = told["rates"][name]["rate"], top + place * _BAR
                width = (_WIDTH - _LEFT - 70) * rate / most
                bar = f'x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR - 2}"'
                drawn.append(f'<rect {bar} fill="{_COLOURS[column]}"/>')
                drawn.append(f'<text x="{_LEFT + width + 5:.1f}" y="{y + 10}">{rate:,.0f}</text>')
    return "\n".join([*drawn, "</svg>", ""])
