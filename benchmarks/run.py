"""All benchmarks one after the other: `make bench`. Exits 1 if one of them fails to run.

Figures of a shared machine differ from run to run; what is compared stands in one run.
"""

import subprocess
import sys
from typing import Final

# From the smallest part to the whole system.
SCRIPTS: Final = (
    "wit_speed",
    "rib_speed",
    "oplog_codec",
    "engine_calls",
    "snapshots",
    "engine_loading",
    "host_calls",
    "broker_floor",
    "service",
    "app_build",
    "gateway",
    "gateway_load",
    "calls",
    "worker_index",
    "index_cost",
    "long_log",
)


def main() -> int:
    failed = []
    for name in SCRIPTS:
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"\nfailed, or below a budget that the script enforces: {', '.join(failed)}")
    return bool(failed)


if __name__ == "__main__":
    raise SystemExit(main())
