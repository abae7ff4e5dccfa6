"""Compares the seats of plans with Erlang C as pyworkforce computes it.

usage: erlang.py FOLDER
Each plan-*.json in the folder is a plan of an assumed load whose callers never give up.
"""

import json
import sys
from pathlib import Path

from pyworkforce.queuing import ErlangC

compared = 0
for path in sorted(Path(sys.argv[1]).glob("plan-*.json")):
    plan = json.loads(path.read_text())
    percent, seconds = (float(part) for part in plan["target"].split("/"))
    hour = plan["hours"][0]
    erlang = ErlangC(
        transactions=hour["calls_per_hour"], asa=seconds / 60, aht=hour["aht_seconds"] / 60, interval=60, shrinkage=0.0
    )
    for effect in plan["effects"]:
        if effect["operators"] <= hour["erlang"]:
            continue
        compared += 1
        for ours, theirs in (
            (effect["service_level"], erlang.service_level(positions=effect["operators"])),
            (effect["occupancy"], erlang.achieved_occupancy(positions=effect["operators"])),
        ):
            if abs(ours - theirs) > 1e-6:
                sys.exit(f"{path.name}, {effect['operators']} operators: {ours}; expected: {theirs}")
    needed = erlang.required_positions(service_level=percent / 100, max_occupancy=1.0)["raw_positions"]
    if hour["operators"] != max(2, needed):
        sys.exit(f"{path.name}: {hour['operators']} operators; expected: {needed}, at least two")
print(f"{compared} comparisons")
