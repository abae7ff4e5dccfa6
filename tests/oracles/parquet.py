"""Reads the Parquet files of reports with DuckDB and compares them with the CSV files of the same period.

usage: parquet.py FOLDER
The folder has calls, summary and abandoned as .parquet and .csv, and ministry as .parquet and .json.
"""

import csv
import datetime
import json
import sys
from pathlib import Path

import duckdb

folder = Path(sys.argv[1])
db = duckdb.connect()
db.execute("SET TimeZone = 'UTC'")
compared = 0


def same(name, ours, theirs):
    global compared
    compared += 1
    if ours != theirs:
        sys.exit(f"{name}: {theirs!r}; expected: {ours!r}")


def read(name):
    """The heads, the types and the rows of a file."""
    found = db.execute(f"SELECT * FROM read_parquet('{folder}/{name}.parquet')")
    heads = [column[0] for column in found.description]
    rows = found.fetchall()
    described = db.execute(f"DESCRIBE SELECT * FROM read_parquet('{folder}/{name}.parquet')").fetchall()
    return heads, {column: kind for column, kind, *_ in described}, rows


def table(name):
    with open(folder / f"{name}.csv", encoding="utf-8-sig", newline="") as file:
        heads, *rows = csv.reader(file)
    return heads, rows


def compare(name, text, value):
    """One cell of a CSV file with the value of the Parquet file."""
    if text == "":
        same(name, True, value in (None, ""))
    elif isinstance(value, datetime.datetime):
        same(name, datetime.datetime.fromisoformat(text), value)
    elif isinstance(value, bool):
        same(name, text, "yes" if value else "no")
    elif isinstance(value, (int, float)):
        same(name, float(text), float(value))
    else:
        same(name, text[1:] if text.startswith("'") else text, value)


for name, times in (("calls", {"received", "answered", "ended"}), ("abandoned", {"first", "last", "answered_later"})):
    heads, kinds, rows = read(name)
    names, lines = table(name)
    same(f"{name} heads", names, heads)
    same(f"{name} rows", len(lines), len(rows))
    for head, kind in kinds.items():
        same(f"{name} {head} is a time", head in times, kind == "TIMESTAMP WITH TIME ZONE")
        if head.endswith("_ms"):
            same(f"{name} {head} type", "BIGINT", kind)
    for no, (line, row) in enumerate(zip(lines, rows)):
        for head, text, value in zip(heads, line, row):
            compare(f"{name} row {no} {head}", text, value)

heads, kinds, rows = read("summary")
names, lines = table("summary")
same("summary rows", len(lines), len(rows))
for line, row in zip(lines, rows):
    figure = dict(zip(heads, row))
    values = [figure[head] for head in ("calls", "duration_ms", "percent", "met", "time") if figure[head] is not None]
    same(f"summary {line[0]} values", True, len(values) <= 1)
    for text, value in zip(line, (figure["figure"], figure["of"], values[0] if values else None, figure["unit"], figure["formula"])):
        compare(f"summary {line[0]}", text, value)
same("summary durations", "BIGINT", kinds["duration_ms"])

heads, kinds, rows = read("ministry")
month = json.loads((folder / "ministry.json").read_text())
same("ministry rows", 1, len(rows))
same("ministry heads", set(month), set(heads))
for head, value in zip(heads, rows[0]):
    compare(f"ministry {head}", month[head], value)

# Rows are in groups of bounded size, and times are in UTC.
groups = db.execute(
    f"SELECT DISTINCT row_group_id, row_group_num_rows FROM parquet_metadata('{folder}/calls.parquet') ORDER BY 1"
).fetchall()
calls = len(read("calls")[2])
same("group sizes", [4096] * (calls // 4096) + [calls % 4096] * (calls % 4096 > 0), [size for _, size in groups])
logical = dict(db.execute(f"SELECT name, logical_type FROM parquet_schema('{folder}/calls.parquet')").fetchall())
same("received in UTC", True, "isAdjustedToUTC=1" in logical["received"] and "MILLIS" in logical["received"])
print(f"{compared} cells, {len(groups)} groups")
