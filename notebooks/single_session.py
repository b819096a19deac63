# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # One session: from a dataset to a score and an archive
#
# This notebook builds a dataset, trains a model on it for as long as you allow, lets the model answer
# questions that it was never trained on, scores the answers, and writes one archive with all of it. It runs
# the job `single_session` of Tunix RT, the same that `dagster job execute` runs in a terminal.
#
# If the session is cut short, run the notebook again with the same parameters: the run goes on from its last
# checkpoint.

# %%
import importlib.util
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

STARTED_AT = datetime.now(UTC)
ROOT = next(folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / "tunix_assets").is_dir())
if importlib.util.find_spec("tunix_assets") is None:  # a fresh clone in a notebook that knows nothing of it
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--editable", str(ROOT)], check=True)
    sys.path.insert(0, str(ROOT))
os.chdir(ROOT)

# %% [markdown]
# ## Parameters
#
# The time is that of the whole session, from the cell above to the archive. `RESERVE_MINUTES` of it are kept
# for the answers, their scores and the archive; on a slow machine, or with many questions, keep more. The
# environment variable `TUNIX_SESSION=fast` trains ten steps on a few questions, to see that everything works.

# %% tags=["parameters"]
FAST = os.environ.get("TUNIX_SESSION") == "fast"
DATASET_VERSION = "golden-v1" if FAST else "arithmetic-v1"
CONFIG = ROOT / "configs" / ("smoke.yaml" if FAST else "single_session.yaml")
TIME_BUDGET_MINUTES = float(os.environ.get("TUNIX_TIME_BUDGET_MINUTES", "20"))
RESERVE_MINUTES = min(2.0, TIME_BUDGET_MINUTES / 3)
SEED = 0
MAX_STEPS = None  # no more optimizer steps than these
MAX_EXAMPLES = None  # no more examples than these, repeats counted
OUTPUT = Path(os.environ.get("TUNIX_SESSION_OUTPUT", "session_output"))

# %% [markdown]
# ## Build, train, answer, score
#
# Every asset is checked before the next one is made from it. The line `score:` near the end is the result.

# %%
from tunix_assets.single_session import collect_submission, run_session, session_config

config = session_config(
    CONFIG,
    ends_at=STARTED_AT + timedelta(minutes=TIME_BUDGET_MINUTES),
    reserve_minutes=RESERVE_MINUTES,
    seed=SEED,
    max_steps=MAX_STEPS,
    max_examples=MAX_EXAMPLES,
)
run_session(DATASET_VERSION, config)

# %% [markdown]
# ## The score

# %%
from tunix_ml.store import Store

submission = collect_submission(Store.from_environment(), DATASET_VERSION, OUTPUT)
manifest, summary, environment = submission.evidence
for name, found in summary.evaluation_sets.items():
    print(
        f"{name}: {summary.primary_metric} {found.score:.4f},"
        f" 95 % interval {found.ci95_low:.3f} to {found.ci95_high:.3f}, n {found.n}"
    )
print(f"\nscore: {summary.score}")
print(
    f"{manifest.run_id}: {manifest.step} of {manifest.num_train_steps} steps in {manifest.train_time_s:.0f} s"
    f" on {environment.device}, stopped by {manifest.stopped_by}"
)

# %% [markdown]
# ## Every item
#
# What was expected, what was found in the model's text, and the text itself.

# %%
import pandas as pd

items = pd.read_parquet(submission.folder / "eval" / summary.evaluation_set / "item_scores.parquet")
items[["item_id", "category", "status", "expected", "extracted", summary.primary_metric, "text"]].head(20)

# %% [markdown]
# ## The files
#
# The archive is what you hand in. It has been unpacked beside it; `sha256sum -c SHA256SUMS` in that folder
# checks every file, and its `README.md` says how to ask the model again.

# %%
meanings = {
    "README.md": "the score, what each file is, and how to check it",
    "SHA256SUMS": "sha256 of every other file",
    "evidence": "run manifest, evaluation summary and environment, without a null",
    "model": "the model, a Hugging Face folder with its tokenizer",
    "predictions": "what the model wrote for each item",
    "eval": "the report on each evaluation set, with the score of each item",
    "items": "the questions and their answers",
    "run": "identity, record, provenance and training metrics of the run",
}
print(f"{submission.archive.resolve()}  {submission.archive.stat().st_size / 1e6:.1f} MB")
for path in sorted(submission.folder.iterdir()):
    print(f"  {path.name:<12} {meanings[path.name]}")
checkpoints = Store.from_environment().run(manifest.run_id).path / "checkpoints"
print(f"{checkpoints}  to go on from: kept in the store, not in the archive")
minutes = (datetime.now(UTC) - STARTED_AT).total_seconds() / 60
print(f"\n{minutes:.1f} of {TIME_BUDGET_MINUTES:g} minutes used")
