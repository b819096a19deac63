"""The torch side of `train_step.py`: python benchmarks/torch_step.py CONFIG_JSON MODE NUM_ROWS LENGTH.

MODE is float32, autocast (bfloat16 products, float32 parameters) or bfloat16 (all in bfloat16). For each line
of its input it does one step of transformers' GPT-2 with AdamW, and answers with wall and CPU seconds.
"""

import json
import sys
import time

import torch
from transformers import GPT2Config, GPT2LMHeadModel


def main() -> None:
    """Do a step for each line."""
    values, mode, num_rows, length = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    torch.manual_seed(0)
    dropouts = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    model = GPT2LMHeadModel(GPT2Config(**values, **dropouts, use_cache=False))
    model = model.to(torch.bfloat16 if mode == "bfloat16" else torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, foreach=True)
    ids = torch.randint(1, values["vocab_size"], (num_rows, length))
    for _ in sys.stdin:
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=mode == "autocast"):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()
        answer = [time.perf_counter() - wall_s, time.process_time() - cpu_s]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
