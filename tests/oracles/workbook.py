"""Reads the workbooks of reports back with openpyxl and compares them with the CSV files of the same period.

usage: workbook.py FOLDER
The folder has calls.xlsx, calls.csv, summary.xlsx, summary.json, abandoned.xlsx, abandoned.csv and ministry.xlsx, ministry.json.
"""

import csv
import datetime
import json
import sys
from pathlib import Path

from openpyxl import load_workbook

folder = Path(sys.argv[1])
cells = 0


def same(name, ours, theirs):
    global cells
    cells += 1
    if ours != theirs:
        sys.exit(f"{name}: {theirs!r}; expected: {ours!r}")


def plain(text):
    """What the CSV has, without the apostrophes before formulas."""
    return text[1:] if text.startswith("'") else text


def compare(name, times):
    with open(folder / f"{name}.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    sheet = load_workbook(folder / f"{name}.xlsx", read_only=True).worksheets[0]
    read = list(sheet.iter_rows(values_only=True))
    same(f"{name} rows", len(rows), len(read))
    same(f"{name} heads", tuple(rows[0]), read[0])
    for no, (row, cells) in enumerate(zip(rows[1:], read[1:])):
        for head, text, cell in zip(rows[0], row, cells):
            place = f"{name} row {no} {head}"
            if text == "":
                same(place, True, cell in (None, ""))
            elif head in times:
                expected = datetime.datetime.fromisoformat(text).replace(tzinfo=None)
                same(place, True, isinstance(cell, datetime.datetime))
                same(place, True, abs(cell - expected) < datetime.timedelta(milliseconds=2))
            elif isinstance(cell, (int, float)):
                same(place, float(text), float(cell))
            else:
                same(place, plain(text), cell)
    return read


calls = compare("calls", {"received", "answered", "ended"})
waits = calls[0].index("waited_ms")
same("waits are numbers", True, all(isinstance(row[waits], (int, float)) for row in calls[1:]))
compare("abandoned", {"first", "last", "answered_later"})

summary = json.loads((folder / "summary.json").read_text())
book = load_workbook(folder / "summary.xlsx")
same("sheets", ["Figures", "Desks", "Operators"], book.sheetnames)
figures = {row[0].value: row[2] for row in book["Figures"].iter_rows(min_row=2) if not row[1].value}
same("calls", summary["calls"], figures["calls"].value)
same("from is a date", True, isinstance(figures["from"].value, datetime.datetime))
same("sl3", round(summary["sl3"]["percent"] / 100, 4), round(figures["service-level"].value, 4))
same("sl3 format", "0.0%", figures["service-level"].number_format)
mean = figures["asa"].value
same("asa is a duration", True, isinstance(mean, (datetime.time, datetime.timedelta)))
if isinstance(mean, datetime.time):
    mean = datetime.timedelta(hours=mean.hour, minutes=mean.minute, seconds=mean.second, microseconds=mean.microsecond)
same("asa", True, abs(mean - datetime.timedelta(milliseconds=summary["asa"]["mean_ms"])) < datetime.timedelta(milliseconds=2))
desks = {row[0]: row[1] for row in book["Desks"].iter_rows(min_row=2, values_only=True)}
same("desks", {desk["desk"]: desk["calls"] for desk in summary["desks"]}, desks)
operators = {row[0]: row[2] for row in book["Operators"].iter_rows(min_row=2, values_only=True)}
same("operators", {of["operator"]: of["answered"] for of in summary["operators"]}, operators)

month = json.loads((folder / "ministry.json").read_text())
heads, row = load_workbook(folder / "ministry.xlsx").worksheets[0].iter_rows(values_only=True)
same("ministry columns", len(month), len(heads))
same("ministry figures are numbers", len(month) - 1, sum(isinstance(cell, (int, float)) for cell in row))
same("ministry incoming", True, int(month["incoming"]) in row)
print(f"{cells} cells")
