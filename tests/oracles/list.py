"""Compares the files of one page in all formats: CSV (in Indonesian), XLSX (openpyxl), JSON and Parquet (DuckDB).

usage: list.py FOLDER
The folder has file.csv, file.xlsx, file.json and file.parquet. Prints the number of rows, and the first value of the column number.
"""

import csv
import datetime
import json
import sys
from pathlib import Path

import duckdb
from openpyxl import load_workbook

folder = Path(sys.argv[1])
with open(folder / "file.csv", encoding="utf-8-sig", newline="") as file:
    heads, *lines = csv.reader(file, delimiter=";")
data = json.loads((folder / "file.json").read_text())
sheet = [list(row) for row in load_workbook(folder / "file.xlsx").worksheets[0].iter_rows(values_only=True)]
db = duckdb.connect()
db.execute("SET TimeZone = 'UTC'")
found = db.execute(f"SELECT * FROM read_parquet('{folder}/file.parquet')")
names = [column[0] for column in found.description]
rows = found.fetchall()
zone = datetime.timezone(datetime.timedelta(hours=7))


def same(place, ours, theirs):
    if ours != theirs:
        sys.exit(f"{place}: {theirs!r}; expected: {ours!r}")


same("rows", [len(lines)] * 3, [len(data), len(rows), len(sheet) - 1])
same("columns", [len(heads)] * 2, [len(names), len(sheet[0])])
for no, (line, one, row, cells) in enumerate(zip(lines, data, rows, sheet[1:])):
    same(f"row {no} names", set(names), set(one))
    for head, name, text, value, cell in zip(heads, names, line, row, cells):
        place = f"row {no} {name}"
        plain = text[1:].replace(";'", ";") if text.startswith("'") else text
        told = one[name]
        if isinstance(value, datetime.datetime):
            same(place, value, datetime.datetime.fromisoformat(told))
            same(place, True, abs(value.astimezone(zone).replace(tzinfo=None) - cell) < datetime.timedelta(milliseconds=2))
            same(place, True, plain.replace("T", " ").startswith(str(cell.replace(microsecond=0))))
            continue
        same(place, value, told)
        if value is None:
            # A talk that did not take place has no duration in JSON and Parquet either.
            same(place, True, plain == "" and cell is None)
        elif name.endswith("_ms"):
            same(place, round(float(plain.replace(",", ".")) * 1000), value)
            if isinstance(cell, datetime.time):
                cell = datetime.timedelta(
                    hours=cell.hour, minutes=cell.minute, seconds=cell.second, microseconds=cell.microsecond
                )
            same(place, True, abs(cell - datetime.timedelta(milliseconds=value)) < datetime.timedelta(milliseconds=2))
        elif isinstance(value, float):
            places = len(plain.partition(",")[2])
            same(place, True, abs(float(plain.replace(",", ".")) - value) <= 0.51 * 10**-places)
            share = cell * 100 if name.endswith("_percent") else cell
            same(place, True, abs(share - value) < 1e-6)
        elif isinstance(value, int):
            same(place, [int(plain)] * 2, [value, cell])
        else:
            same(place, [plain] * 2, [value, cell])
numbers = [row[names.index("number")] for row in rows] if "number" in names else []
print(len(rows), numbers[0] if numbers else "-")
