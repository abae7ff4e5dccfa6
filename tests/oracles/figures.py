"""Computes the figures of reports again with DuckDB, from the exported calls alone, and prints each difference.

usage: figures.py FOLDER
The folder has calls.csv and calls.json (siaga report calls), summary.json, abandoned.json and ministry.json.
Prints the number of compared figures. Exit 1 if one differs.
"""

import json
import sys
from pathlib import Path

import duckdb

folder = Path(sys.argv[1])
TARGET_MS, SHORT_MS = 10_000, 5_000
compared = 0
differences = []


def same(name, ours, theirs):
    global compared
    compared += 1
    if ours != theirs:
        differences.append(f"{name}: {theirs!r}; expected: {ours!r}")


def half_up(part, whole):
    return None if whole == 0 else (2 * part + whole) // (2 * whole)


def per_mille(part, whole):
    """Tenths of a per cent, rounded half up; a part is never shown as all or as nothing."""
    if whole == 0:
        return None
    return part // whole * 1000 if part in (0, whole) else min(max(half_up(part * 1000, whole), 1), 999)


def share(name, part, whole, theirs):
    same(f"{name} part", part, theirs["part"])
    same(f"{name} whole", whole, theirs["whole"])
    percent = per_mille(part, whole)
    same(f"{name} percent", None if percent is None else percent / 10, theirs["percent"])


db = duckdb.connect()
db.execute(f"CREATE TABLE call AS SELECT * FROM read_csv('{folder}/calls.csv', header = true, all_varchar = true)")
db.execute(
    """CREATE VIEW c AS SELECT coalesce(desk, '') AS desk, outcome, coalesce(class, '') AS class,
    coalesce(category, '') AS category, waited_ms::BIGINT AS w, talk_ms::BIGINT AS t, coalesce(wrap_ms::BIGINT, 0) AS wrap,
    coalesce(asserted, presented) AS number, received::TIMESTAMPTZ AS received, latitude IS NOT NULL AS located
    FROM call"""
)
db.execute("CREATE VIEW r AS SELECT * FROM c WHERE class NOT IN ('drill', 'test')")


def one(sql):
    return db.execute(sql).fetchone()


def count(condition, view="r"):
    return one(f"SELECT count(*) FROM {view} WHERE {condition}")[0]


summary = json.loads((folder / "summary.json").read_text())
answered, abandoned = count("outcome = 'answered'"), count("outcome = 'abandoned'")
within = count(f"outcome = 'answered' AND w <= {TARGET_MS}")
lost_within = count(f"outcome = 'abandoned' AND w <= {TARGET_MS}")
short = count(f"outcome = 'abandoned' AND w < {SHORT_MS}")
same("calls", count("true"), summary["calls"])
for outcome in summary["outcomes"]:
    same(f"outcome {outcome['word']}", count(f"outcome = '{outcome['word']}'"), outcome["calls"])
classes = dict(db.execute("SELECT class, count(*) FROM c WHERE class <> '' GROUP BY class").fetchall())
same("classes", classes, {of["word"]: of["calls"] for of in summary["classes"]})
same("unclassed", count("class = '' AND outcome = 'answered'"), summary["unclassed"])
same("exercises", count("class IN ('drill', 'test')", "c"), summary["exercises"])
share("sl1", within, answered, summary["sl1"])
share("sl2", within + lost_within, answered + abandoned, summary["sl2"])
share("sl3", within, answered + abandoned - short, summary["sl3"])
share("abandonment", abandoned, answered + abandoned, summary["abandonment"])
share("abandonment without short", abandoned - short, answered + abandoned - short, summary["abandonment_without_short"])
same("short abandons", short, summary["short_abandons"])
for name, value in (("asa", "w"), ("aht", "t + wrap")):
    total = one(f"SELECT coalesce(sum({value}), 0)::BIGINT FROM r WHERE outcome = 'answered'")[0]
    same(name, {"sum_ms": total, "count": answered, "mean_ms": half_up(total, answered)}, summary[name])
for name, condition in (("answered_longest_ms", "="), ("unanswered_longest_ms", "<>")):
    same(name, one(f"SELECT coalesce(max(w), 0) FROM r WHERE outcome {condition} 'answered'")[0], summary[name])
for desk in summary["desks"]:
    own = "desk = ''" if desk["desk"] == "queue" else f"desk = '{desk['desk']}'"
    of = {word: count(f"{own} AND {condition}") for word, condition in (
        ("calls", "true"),
        ("answered", "outcome = 'answered'"),
        ("abandoned", "outcome = 'abandoned'"),
        ("short_abandons", f"outcome = 'abandoned' AND w < {SHORT_MS}"),
    )}
    for word, calls in of.items():
        same(f"desk {desk['desk']} {word}", calls, desk[word])
    met = count(f"{own} AND outcome = 'answered' AND w <= {desk['service_level_ms']}")
    share(f"desk {desk['desk']}", met, of["answered"] + of["abandoned"] - of["short_abandons"], desk["service_level"])
desks = {desk or "queue" for (desk,) in db.execute("SELECT DISTINCT desk FROM r").fetchall()}
same("desks", True, desks <= {desk["desk"] for desk in summary["desks"]})

# Operators: each stretch of talk of the records, the fallback number and agencies apart.
calls = json.loads((folder / "calls.json").read_text())
same("records", len(calls), count("true", "c"))
own, fallback, agencies = {}, [0, 0], [0, 0]
for call in calls:
    if (call["disposition"] or {}).get("class") in ("drill", "test"):
        continue
    for no, talk in enumerate(call["talks"]):
        millis = max(0, (talk["to"] or talk["from"]) - talk["from"])
        operator = talk["with"].get("operator")
        if talk.get("guest"):
            kind = own.setdefault(operator, dict(answered=0, talk_ms=0, wrap_ms=0, joined=0, joined_ms=0)) if operator else {}
            kind["joined"] = kind.get("joined", 0) + 1
            kind["joined_ms"] = kind.get("joined_ms", 0) + millis
        elif operator:
            kind = own.setdefault(operator, dict(answered=0, talk_ms=0, wrap_ms=0, joined=0, joined_ms=0))
            kind["answered"] += 1
            kind["talk_ms"] += millis
            if no + 1 == len(call["talks"]):
                kind["wrap_ms"] += call["wrap_ms"] or 0
        elif call.get("transfers"):
            agencies = [agencies[0] + 1, agencies[1] + millis]
        else:
            fallback = [fallback[0] + 1, fallback[1] + millis]
for operator in summary["operators"]:
    expected = own.pop(operator["operator"], dict(answered=0, talk_ms=0, wrap_ms=0, joined=0, joined_ms=0))
    same(f"operator {operator['operator']}", expected, {key: operator[key] for key in expected})
same("operators that are missing", {}, own)
same("fallback", fallback, [summary["fallback_answered"], summary["fallback_talk_ms"]])
same("agencies", agencies, [summary["agency_answered"], summary["agency_talk_ms"]])

# Unanswered callers by number.
report = json.loads((folder / "abandoned.json").read_text())
numbers = db.execute(
    f"""SELECT number, count(*), count(*) FILTER (w < {SHORT_MS}), max(w), epoch_ms(min(received)), epoch_ms(max(received))
    FROM r WHERE outcome <> 'answered' AND number IS NOT NULL GROUP BY number"""
).fetchall()
theirs = {of["number"]: (of["calls"], of["short"], of["longest_wait_ms"], of["first"], of["last"]) for of in report["numbers"]}
same("unanswered numbers", {number: tuple(rest) for number, *rest in numbers}, theirs)
same("unanswered without a number", count("outcome <> 'answered' AND number IS NULL"), len(report["anonymous"]))

# The month, as cities publish it.
months = json.loads((folder / "ministry.json").read_text())
month = months[0] if isinstance(months, list) else months
expected = {
    "incoming": count("true"),
    "abandoned": abandoned,
    "short-abandoned": short,
    "failed": count("outcome IN ('failed', 'interrupted')"),
    "answered": answered,
    "emergency": classes.get("normal", 0),
    "information": classes.get("information", 0),
    "prank": classes.get("prank", 0),
    "ghost": classes.get("ghost", 0),
    "unclassed": count("class = '' AND outcome = 'answered'"),
    "drills-and-tests": count("class IN ('drill', 'test')", "c"),
    "located": count("located"),
}


def seconds(millis):
    return "" if millis is None else f"{millis // 1000}.{millis % 1000:03}"


def total(value):
    return one(f"SELECT coalesce(sum({value}), 0)::BIGINT FROM r WHERE outcome = 'answered'")[0]


longest = one("SELECT coalesce(max(w), 0) FROM r")[0]
level = per_mille(within, answered + abandoned - short)
expected["mean-wait-seconds"] = seconds(half_up(total("w"), answered))
expected["mean-handling-seconds"] = seconds(half_up(total("t + wrap"), answered))
expected["longest-wait-seconds"] = seconds(-(-longest // 100) * 100)
expected["service-level-percent"] = "" if level is None else f"{level // 10}.{level % 10}"
known = 0
for name, value in expected.items():
    if name in month:
        known += 1
        same(f"ministry {name}", str(value), str(month[name]))
same("ministry columns", True, known >= 15)

for line in differences:
    print(line)
print(f"{compared} figures, {len(differences)} differences, {count('true', 'c')} calls")
sys.exit(1 if differences else 0)
