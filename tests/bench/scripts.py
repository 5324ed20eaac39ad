"""pgbench's scripts: the service's own statements, with a value for each parameter that PostgreSQL
makes of random numbers."""

import re

PARAMETER = re.compile(r"\$(\d+)\b")


def check(sql, name, values):
    """Every parameter of the statement has a value. NULL in the place of a new parameter would
    measure something else, or fail after minutes."""
    if name not in sql:
        raise RuntimeError(f"no statement is called {name} any more")
    missing = {int(number) for number in PARAMETER.findall(sql[name])} - set(values)
    if missing:
        raise RuntimeError(f"{name} has parameters without a value: {sorted(missing)}")


def write(path, setup, statement, values, **words):
    """A script that runs `setup` and the statement; `words` stand in the values."""
    values = {number: value.format(**words) for number, value in values.items()} if words else values
    filled = PARAMETER.sub(lambda found: f"({values[int(found[1])]})", statement)
    path.write_text(f"{setup}{filled};\n", encoding="utf-8")
    return path
