"""Plays the shards of an evaluation as Ray tasks, runs those again that died, and merges their reports.

    python deploy/ray/evaluate.py --shards 8 --out DIR -- --count 1000 --planner rigid

What stands behind `--` goes to `molmo-motion evaluate episodes`. Every node needs the software; DIR is on this machine only.
Needs `pip install ray` (tried with the version that deploy/README.md names).
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import ray


def play(program, arguments, shard, of):
    """The report of one shard, as text. A shard that ends with an error raises, and Ray runs it again."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.json"
        command = [*program, "evaluate", "episodes", *arguments, "--shard", f"{shard}/{of}", "--json", str(report)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"shard {shard}/{of} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
        return report.read_text()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, required=True, help="parts of the evaluation")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for the shards' reports and report.json")
    parser.add_argument("--program", default="molmo-motion", help="how the software is started on the nodes")
    parser.add_argument("--cpus", type=float, default=1, help="cores of one shard")
    parser.add_argument("--gpus", type=float, default=0, help="GPUs of one shard")
    parser.add_argument("--retries", type=int, default=3, help="times that a shard is run again")
    parser.add_argument("--address", help="of a Ray cluster; one on this machine when left out")
    parser.add_argument("arguments", nargs="*", help="options of molmo-motion evaluate episodes")
    options = parser.parse_args()

    options.out.mkdir(parents=True, exist_ok=True)
    ray.init(address=options.address, include_dashboard=False)
    task = ray.remote(
        num_cpus=options.cpus, num_gpus=options.gpus, max_retries=options.retries, retry_exceptions=True
    )(play)
    program = options.program.split()
    waiting = {
        task.remote(program, [*options.arguments, "--jobs", "1"], shard, options.shards): shard
        for shard in range(1, options.shards + 1)
    }
    files = []
    failed = []
    while waiting:
        (done,), _ = ray.wait(list(waiting), num_returns=1)
        shard = waiting.pop(done)
        try:
            report = ray.get(done)
        except ray.exceptions.RayError as error:
            failed.append(shard)
            print(f"shard {shard}/{options.shards}: {error}", file=sys.stderr)
            continue
        file = options.out / f"shard-{shard}.json"
        file.write_text(report)
        files.append(str(file))
        print(f"shard {shard}/{options.shards}: {len(json.loads(report)['episodes'])} episodes", file=sys.stderr)
    ray.shutdown()
    if failed:
        print(f"not merged: shards {sorted(failed)} failed", file=sys.stderr)
        return 1
    merged = options.out / "report.json"
    return subprocess.run([*program, "evaluate", "merge", *files, "--overwrite", "--json", str(merged)]).returncode


if __name__ == "__main__":
    sys.exit(main())
